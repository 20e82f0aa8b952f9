using Adit.Server.Tests.Support;
using Adit.Server.Users;
using Adit.Ssh.Keys;
using static Adit.Ssh.Authentication.AuthenticationDecision;

namespace Adit.Server.Tests.Authentication;

public class AuthenticationMethodsTests
{
    private readonly PublicKey _first = Login.NewKey();
    private readonly PublicKey _second = Login.NewKey();

    private Login Start(string methods)
    {
        var login = new Login($"AuthenticationMethods {methods}");
        login.Users.ProcessUid = 0;
        login.Users.Shadow["alice"] = new ShadowEntry(LibCrypt.Hash("secret"u8, "$6$abcdefgh$")!);
        login.Authorize(_first.ToText(), _second.ToText());
        return login;
    }

    [FactNeeding(Need.LibCrypt)]
    public async Task A_chain_goes_step_by_step_in_order()
    {
        using var login = Start("publickey,password");
        Assert.Equal(["publickey"], Assert.IsType<Denied>(await login.None()).Methods);
        Assert.Equal(["publickey"], Assert.IsType<Denied>(await login.Password("secret")).Methods); // not yet
        Assert.IsType<Partial>(await login.Key(_first, verified: false));
        Assert.IsType<Denied>(await login.Password("secret")); // a query was no step (INVARIANTS 7)
        Assert.Equal(["password"], Assert.IsType<Partial>(await login.Key(_first)).Methods);
        Assert.Equal(["password"], Assert.IsType<Denied>(await login.Key(_second)).Methods);
        Assert.Equal(["password"], Assert.IsType<Denied>(await login.Password("wrong")).Methods);
        Assert.Equal("publickey,password", Assert.IsType<Accepted>(await login.Password("secret")).Principal.Method);
    }

    [FactNeeding(Need.LibCrypt)]
    public async Task Two_keys_means_two_different_keys()
    {
        using var login = Start("publickey,publickey");
        Assert.IsType<Partial>(await login.Key(_first));
        Assert.IsType<Denied>(await login.Key(_first, verified: false));
        Assert.IsType<Denied>(await login.Key(_first));
        Assert.IsType<Accepted>(await login.Key(_second));
    }

    [FactNeeding(Need.LibCrypt)]
    public async Task Several_chains_are_a_choice()
    {
        using var login = Start("publickey,password publickey,keyboard-interactive:pam password");
        Assert.Equal(["publickey", "password"], Assert.IsType<Denied>(await login.None()).Methods);
        Assert.Equal(["password", "keyboard-interactive"], Assert.IsType<Partial>(await login.Key(_first)).Methods);
        Assert.IsType<Accepted>(await login.Interactive("secret"));

        using var other = Start("publickey,password publickey,keyboard-interactive:pam password");
        Assert.IsType<Accepted>(await other.Password("secret"));
    }

    [FactNeeding(Need.LibCrypt)]
    public async Task A_chain_with_a_method_that_is_off_leads_nowhere()
    {
        using var login = Start("publickey,password hostbased keyboard-interactive:bsdauth\nPasswordAuthentication no");
        Assert.Empty(Assert.IsType<Denied>(await login.None()).Methods); // INVARIANTS 9: nothing left means nobody
        Assert.IsType<Denied>(await login.Key(_first));
    }
}
