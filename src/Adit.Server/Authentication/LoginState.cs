using Adit.Server.Configuration;
using Adit.Server.Users;

namespace Adit.Server.Authentication;

/// <summary>What is found out once per connection.</summary>
/// <param name="UserName">The name it was found out for.</param>
/// <param name="Account">Null when there is no such account, or it may not log in.</param>
/// <param name="Config">With the Match blocks that match.</param>
/// <param name="Methods">What leads in.</param>
internal sealed record LoginState(string UserName, UserAccount? Account, SshdConfig Config, LoginMethods Methods);
