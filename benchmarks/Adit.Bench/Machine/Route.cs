namespace Adit.Bench.Machine;

/// <summary>What lies between a load and the service it talks to: which client, then which server.</summary>
internal enum Route
{
    OpenSsh,
    Adit,
    AditToOpenSsh,
    OpenSshToAdit,

    /// <summary>Nothing: the same load straight over loopback.</summary>
    NoTunnel,

    /// <summary>A trivial relay without encryption.</summary>
    Relay,
}

internal static class Routes
{
    public static bool HasTunnel(this Route route) => route is not (Route.NoTunnel or Route.Relay);

    public static bool ClientIsAdit(this Route route) => route is Route.Adit or Route.AditToOpenSsh;

    public static bool ServerIsAdit(this Route route) => route is Route.Adit or Route.OpenSshToAdit;

    public static string Title(this Route route) => route switch
    {
        Route.OpenSsh => "OpenSSH",
        Route.Adit => "Adit",
        Route.AditToOpenSsh => "adit ssh → sshd",
        Route.OpenSshToAdit => "ssh → adit sshd",
        Route.NoTunnel => "no tunnel",
        _ => "plain relay",
    };
}
