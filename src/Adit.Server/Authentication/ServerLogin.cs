using Adit.Server.Configuration;
using Adit.Server.Users;

namespace Adit.Server.Authentication;

/// <summary>What the server knows about somebody who logged in: the <see cref="Adit.Ssh.Authentication.SshPrincipal.State"/> of its principals.</summary>
/// <param name="Account">The system's account.</param>
/// <param name="Config">The configuration for this login, Match blocks applied.</param>
public sealed record ServerLogin(UserAccount Account, SshdConfig Config);
