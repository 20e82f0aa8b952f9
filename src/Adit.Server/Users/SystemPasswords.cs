using System.Security.Cryptography;
using System.Text;

namespace Adit.Server.Users;

/// <summary>Checks passwords against the system's hashes. A check for an unknown or locked account takes as long as one for a real account.</summary>
/// <param name="users">The accounts.</param>
public sealed class SystemPasswords(IUserDatabase users)
{
    /// <summary>Longer passwords are never right: hashing them would be work on a stranger's behalf.</summary>
    public const int MaxLength = 1024;

    private static readonly SemaphoreSlim Turns = new(Environment.ProcessorCount);

    private readonly Lazy<string> _dummyHash = new(() => FindDummyHash(users));

    /// <summary>True when this process can check passwords at all.</summary>
    public bool IsPossible => users.ProcessUid == 0 && LibCrypt.IsAvailable;

    /// <summary>As <see cref="Verify"/>, off the thread pool, and as many at a time as there are processors: hashes are made to be slow, and somebody who guesses
    /// passwords must not slow everybody's tunnels down.</summary>
    public async Task<bool> VerifyAsync(UserAccount? account, string password, bool permitEmpty, CancellationToken cancellationToken)
    {
        await Turns.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await BlockingWork.RunAsync(() => Verify(account, password, permitEmpty), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Turns.Release();
        }
    }

    /// <summary>Whether <paramref name="password"/> is the account's. An account without a password is open only with <paramref name="permitEmpty"/> and an empty password.</summary>
    /// <param name="account">Null for a user that does not exist: the answer is no, at the usual price.</param>
    public bool Verify(UserAccount? account, string password, bool permitEmpty)
    {
        var hash = account is null ? null : HashOf(account);
        var bytes = Encoding.UTF8.GetBytes(password);
        try
        {
            if (bytes.Length > MaxLength || bytes.AsSpan().Contains((byte)0))
            {
                PayFor([]);
                return false;
            }

            if (hash is "")
            {
                PayFor(bytes);
                return permitEmpty && bytes.Length == 0;
            }

            if (hash is null || IsLocked(hash) || bytes.Length == 0)
            {
                PayFor(bytes);
                return false;
            }

            var computed = LibCrypt.Hash(bytes, hash);
            return computed is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(computed), Encoding.UTF8.GetBytes(hash));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>The hash field, from shadow(5) where there is an entry; null when it cannot be known.</summary>
    private string? HashOf(UserAccount account) =>
        users.FindShadow(account)?.Hash ?? (account.PasswordField is "x" or "*" ? null : account.PasswordField);

    /// <summary>"!" and "*" in front of a hash make it one that no password has.</summary>
    internal static bool IsLocked(string hash) => hash is ['!' or '*', ..];

    private void PayFor(ReadOnlySpan<byte> password) => LibCrypt.Hash(password, _dummyHash.Value);

    /// <summary>A setting of the kind that this system's accounts have, so that the dummy costs what they cost: root's, or the first account's with a password, or the
    /// common default.</summary>
    private static string FindDummyHash(IUserDatabase users)
    {
        const string fallback = "$6$FOhBlSGC7mk2VLXE$";
        if (users.ProcessUid != 0)
        {
            return fallback;
        }

        if (users.Find(0) is { } root && users.FindShadow(root)?.Hash is ['$', ..] rootHash)
        {
            return rootHash;
        }

        try
        {
            foreach (var line in File.ReadLines("/etc/shadow"))
            {
                if (line.Split(':') is [_, ['$', ..] hash, ..])
                {
                    return hash;
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // No shadow file: the fallback is as good as any.
        }

        return fallback;
    }
}
