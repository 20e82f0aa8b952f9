using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Matrix;

/// <summary>Our client with OpenSSH's server.</summary>
public sealed class ClientWithOpenSshServer
{
    public static TheoryData<string, string> Rows => AlgorithmRows.With(Peer.OpenSsh);

    [Theory]
    [MemberData(nameof(Rows))]
    public Task Carries_data_both_ways_and_half_closes(string kind, string name) => Pair.RunAsync(Peer.Adit, Peer.OpenSsh, kind, name);
}

/// <summary>Our client with dropbear's server.</summary>
public sealed class ClientWithDropbearServer
{
    public static TheoryData<string, string> Rows => AlgorithmRows.With(Peer.Dropbear);

    [Theory]
    [MemberData(nameof(Rows))]
    public Task Carries_data_both_ways_and_half_closes(string kind, string name) => Pair.RunAsync(Peer.Adit, Peer.Dropbear, kind, name);
}

/// <summary>OpenSSH's client with our server.</summary>
public sealed class OpenSshClientWithServer
{
    public static TheoryData<string, string> Rows => AlgorithmRows.With(Peer.OpenSsh);

    [Theory]
    [MemberData(nameof(Rows))]
    public Task Carries_data_both_ways_and_half_closes(string kind, string name) => Pair.RunAsync(Peer.OpenSsh, Peer.Adit, kind, name);
}

/// <summary>dropbear's client with our server.</summary>
public sealed class DbClientWithServer
{
    public static TheoryData<string, string> Rows => AlgorithmRows.With(Peer.Dropbear);

    [Theory]
    [MemberData(nameof(Rows))]
    public Task Carries_data_both_ways_and_half_closes(string kind, string name) => Pair.RunAsync(Peer.Dropbear, Peer.Adit, kind, name);
}

/// <summary>PuTTY's plink with our server.</summary>
public sealed class PlinkWithServer
{
    public static TheoryData<string, string> Rows => AlgorithmRows.With(Peer.Plink);

    [Theory]
    [MemberData(nameof(Rows))]
    public Task Carries_data_both_ways_and_half_closes(string kind, string name) => Pair.RunAsync(Peer.Plink, Peer.Adit, kind, name);
}

/// <summary>Python's asyncssh (every algorithm) and paramiko (its defaults) with our server.</summary>
public sealed class PythonWithServer
{
    public static TheoryData<string, string> Rows => AlgorithmRows.With(Peer.AsyncSsh);

    [Theory]
    [MemberData(nameof(Rows))]
    public Task Asyncssh_carries_data_both_ways_and_half_closes(string kind, string name) => Pair.RunAsync(Peer.AsyncSsh, Peer.Adit, kind, name);

    [Fact]
    public Task Paramiko_carries_data_both_ways_and_half_closes() => Pair.RunAsync(Peer.Paramiko, Peer.Adit, "default", "");
}

/// <summary>Our client with our server.</summary>
public sealed class ClientWithServer
{
    public static TheoryData<string, string> Rows => AlgorithmRows.With(Peer.Adit);

    [Theory]
    [MemberData(nameof(Rows))]
    public Task Carries_data_both_ways_and_half_closes(string kind, string name) => Pair.RunAsync(Peer.Adit, Peer.Adit, kind, name);
}
