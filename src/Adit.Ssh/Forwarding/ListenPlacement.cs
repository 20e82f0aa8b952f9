namespace Adit.Ssh.Forwarding;

/// <summary>Where a requested remote listener really goes: OpenSSH's rules for GatewayPorts.</summary>
/// <param name="Host">What to bind: "*" for all addresses, "localhost" for both loopbacks, or an address or a name.</param>
/// <param name="Overridden">A certain address was asked for, and all are bound instead.</param>
/// <param name="Narrowed">More than loopback, or another loopback address, was asked for, and loopback is bound instead.</param>
internal readonly record struct ListenPlacement(string Host, bool Overridden = false, bool Narrowed = false)
{
    private const string All = "*";
    private const string Loopback = "localhost";

    /// <summary>Whether a listener that is bound to <paramref name="bound"/> may stay where this is the rule now: loopback always may, more only as far as it goes.</summary>
    public bool Covers(string bound) => Host == All || bound == Host || bound is Loopback or "127.0.0.1" or "::1";

    /// <param name="requested">The address as the client sent it: "" and "*" mean all, "localhost" both loopbacks.</param>
    public static ListenPlacement Of(string requested, GatewayPorts gatewayPorts) => gatewayPorts switch
    {
        GatewayPorts.Yes => new(All, Overridden: requested is not ("" or All or "0.0.0.0")),
        GatewayPorts.ClientSpecified => new(requested is "" ? All : requested),
        _ => requested is "127.0.0.1" or "::1" or Loopback ? new(requested) : new(Loopback, Narrowed: true),
    };
}
