using System.Collections.Frozen;
using Adit.Server.Pam;
using Adit.Server.Users;
using Adit.Ssh.Authentication;

namespace Adit.Server.Authentication;

/// <summary>PAM's part of a login that everything else lets in, whatever the method: the account check, credentials and the session.</summary>
internal static class PamRules
{
    /// <summary>With an expired password a session may only change it, and nothing is forwarded; without a session of PAM's nothing is started at all. As sshd.</summary>
    private static readonly LoginRight[] OfExpired = [LoginRight.PortForwarding, LoginRight.AgentForwarding, LoginRight.X11Forwarding, LoginRight.Tunnel],
        WithoutSession = [.. OfExpired, LoginRight.Pty, LoginRight.UserRc];

    public static async ValueTask<LoginCompletion?> CompleteAsync(PamLogin pam, ServerLogin login, IUserDatabase users, CancellationToken cancellationToken)
    {
        var refusal = await pam.AccountRefusalAsync(login.Information, cancellationToken).ConfigureAwait(false);
        var text = pam.TakeText();
        if (refusal is not null)
        {
            return new LoginCompletion(text, refusal);
        }

        if (pam.MustChangePassword)
        {
            login.Restrict(Deny(OfExpired, "the password has expired"));
        }

        var account = login.Account;
        uint[] groups = users.ProcessUid != 0
            ? []
            : await BlockingWork.RunOrLeaveAsync<uint[]>(() => [.. users.GroupIds(account).Append(account.Gid).Distinct().Order()], cancellationToken).ConfigureAwait(false);
        if (await pam.OpenSessionAsync(groups, cancellationToken).ConfigureAwait(false) is { } problem)
        {
            return new LoginCompletion(text, problem);
        }

        if (pam.Session is null)
        {
            login.Restrict(Deny(WithoutSession, "PAM opened no session"));
        }

        return text.Length == 0 ? null : new LoginCompletion(text, null);
    }

    private static LoginRights Deny(LoginRight[] rights, string rule) => new() { Denied = rights.ToFrozenDictionary(right => right, _ => rule) };
}
