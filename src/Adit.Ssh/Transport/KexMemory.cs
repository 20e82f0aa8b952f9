using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Transport;

/// <summary>Remembers what servers and a client agreed on, where both liked it best, so that the client's next connection can send the first packet of that key
/// exchange along with its SSH_MSG_KEXINIT (RFC 4253, section 7: first_kex_packet_follows) and save a round trip.
/// <para>Only what an authenticated key exchange with a host whose key was known before showed is kept, and only for the same offer to the same server: a client that offers something else
/// starts anew. A server that has changed its mind throws the packet away, and is forgotten. May serve many connections at once.</para></summary>
public sealed class KexMemory
{
    private const int MaxServers = 256;
    private const int MaxFileLength = 64 * 1024;

    private readonly Lock _lock = new();
    private readonly string? _path;
    private List<KexMemoryEntry>? _entries;

    /// <param name="path">A file that keeps it, written when something changes; one that cannot be read or written is passed over. Null: only as long as this object. The
    /// file holds no names: a server is found by a hash of its name, its port and what it was offered.</param>
    public KexMemory(string? path = null) => _path = path;

    /// <summary>What stands in the file: a hash, and the two algorithms that were agreed on; the latest last.</summary>
    internal KexMemoryEntry? Find(string key)
    {
        lock (_lock)
            return (_entries ??= Read()).Find(entry => entry.Key == key);
    }

    /// <summary>Keeps <paramref name="entry"/>, or with null forgets what was there.</summary>
    internal void Set(string key, KexMemoryEntry? entry)
    {
        lock (_lock)
        {
            if ((_entries ??= Read()).Find(one => one.Key == key) == entry)
                return;
            _entries = Read(); // other processes may have added theirs
            _entries.RemoveAll(one => one.Key == key);
            if (entry is not null)
                _entries.Add(entry);
            if (_entries.Count > MaxServers)
                _entries.RemoveRange(0, _entries.Count - MaxServers);
            Write();
        }
    }

    private List<KexMemoryEntry> Read()
    {
        if (_path is null)
            return _entries ?? [];
        try
        {
            using var file = new FileStream(_path, FileMode.Open, FileAccess.Read);
            if (file.Length > MaxFileLength)
                return [];
            using var reader = new StreamReader(file, Encoding.ASCII);
            var entries = new List<KexMemoryEntry>();
            while (reader.ReadLine() is { } line && entries.Count < MaxServers)
            {
                if (line.Split(' ') is [var key, var keyExchange, var hostKey])
                    entries.Add(new KexMemoryEntry(key, keyExchange, hostKey));
            }
            return entries;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private void Write()
    {
        if (_path is null)
            return;
        try
        {
            if (Path.GetDirectoryName(Path.GetFullPath(_path)) is { } folder && !Directory.Exists(folder))
                Directory.CreateDirectory(folder);
            string text = string.Concat(_entries!.Select(entry => $"{entry.Key} {entry.KeyExchange} {entry.HostKey}\n"));
            AtomicFile.Write(_path, Encoding.ASCII.GetBytes(text), UnixFileMode.UserRead | UnixFileMode.UserWrite, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next connection takes one round trip more.
        }
    }
}

/// <summary>One line of it.</summary>
internal sealed record KexMemoryEntry(string Key, string KeyExchange, string HostKey);

/// <summary>What one connection offers, and whether it guesses.</summary>
internal sealed class KexGuess
{
    private readonly KexMemory? _memory;
    private readonly string _key = "";
    private readonly AlgorithmPreferences _offer;

    /// <param name="memory">Null: no guess.</param>
    /// <param name="host">The name host keys are looked up under.</param>
    /// <param name="port">Its port.</param>
    /// <param name="algorithms">What the client would offer.</param>
    /// <param name="knownKeyTypes">See <see cref="KexNegotiation.OrderHostKeyAlgorithms"/>.</param>
    public KexGuess(KexMemory? memory, string host, int port, AlgorithmPreferences algorithms, IReadOnlyList<string> knownKeyTypes)
    {
        // A host whose key was not known before may be anybody: what it likes is nothing to remember.
        _memory = memory = knownKeyTypes.Count > 0 ? memory : null;
        Offer = _offer = With(algorithms, algorithms.KeyExchange, KexNegotiation.OrderHostKeyAlgorithms(algorithms.HostKey, knownKeyTypes));
        if (memory is null)
            return;
        string text = $"{host}\n{port}\n{string.Join(',', _offer.KeyExchange)}\n{string.Join(',', _offer.HostKey)}";
        _key = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16));
        if (memory.Find(_key) is not { } last || !_offer.KeyExchange.Contains(last.KeyExchange) || !_offer.HostKey.Contains(last.HostKey))
            return;
        // A guess is right only where both lists of both sides begin alike. Moving what the same two lists came to last time to the front does not change
        // what they come to, unless the server has something new, and then it is asked for next time.
        Offer = With(algorithms, First(last.KeyExchange, _offer.KeyExchange), First(last.HostKey, _offer.HostKey));
        IsSent = true;
    }

    /// <summary>What to offer, in the order to offer it.</summary>
    public AlgorithmPreferences Offer { get; }

    /// <summary>Send the packet.</summary>
    public bool IsSent { get; }

    /// <summary>After the key exchange.</summary>
    /// <param name="server">The server's offer; null when there was none.</param>
    /// <param name="isAuthentic">The host key was verified, and with it the offer. Otherwise it can only make us forget: what somebody in between says chooses nothing.</param>
    public void Learn(KexInitMessage? server, bool isAuthentic)
    {
        if (_memory is null || server is null)
            return;
        string? keyExchange = BothLikeBest(_offer.KeyExchange, server.KeyExchange);
        string? hostKey = BothLikeBest(_offer.HostKey, server.HostKey);
        var entry = keyExchange is null || hostKey is null ? null : new KexMemoryEntry(_key, keyExchange, hostKey);
        if (entry is null || isAuthentic)
            _memory.Set(_key, entry);
    }

    /// <summary>What negotiation takes from our offer, if that is what the server likes best of all.</summary>
    private static string? BothLikeBest(IReadOnlyList<string> ours, IReadOnlyList<string> servers) =>
        KexNegotiation.FirstMatch(ours, servers) is { } name && name == servers[0] ? name : null;

    private static List<string> First(string name, IReadOnlyList<string> names) => [name, .. names.Where(other => other != name)];

    private static AlgorithmPreferences With(AlgorithmPreferences algorithms, IReadOnlyList<string> keyExchange, IReadOnlyList<string> hostKey) => new()
    {
        KeyExchange = keyExchange,
        HostKey = hostKey,
        Ciphers = algorithms.Ciphers,
        Macs = algorithms.Macs,
        Compression = algorithms.Compression,
        PublicKey = algorithms.PublicKey,
    };
}
