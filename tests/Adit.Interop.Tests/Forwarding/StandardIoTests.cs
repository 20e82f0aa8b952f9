using System.Net.Sockets;
using System.Security.Cryptography;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>-W, and Unix sockets at either end of -L.</summary>
public sealed class StandardIoTests
{
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task The_end_of_the_input_is_passed_on_and_the_answer_still_comes(Peer kind) => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(kind);
        await using Service service = Service.AnswerAfterEof(lab.Deadline);
        string input = lab.Folder["input"], output = lab.Folder["output"];
        byte[] question = Payload.Take(Traffic.RequestLength).ToArray();
        await File.WriteAllBytesAsync(input, question);
        // Who shares a descriptor that is a regular file shares its position too.
        await Route.ShellAsync(lab, $"{{ printf before; {await CommandAsync(lab, server, $"127.0.0.1:{service.Port}")} < {input} && printf after; }} > {output}");
        byte[] expected = [.. "before"u8, .. SHA256.HashData(question), .. Payload.Take(Traffic.AnswerLength, up: false).ToArray(), .. "after"u8];
        byte[] written = await File.ReadAllBytesAsync(output);
        Assert.True(expected.AsSpan().SequenceEqual(written), "other bytes than were sent");
    });

    [Fact]
    public Task The_end_of_the_output_is_the_end_though_the_input_stays_open() => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.OpenSsh);
        await using var service = Service.Start(static (socket, stop) => Net.SendAllAsync(socket, Traffic.Greeting, stop), lab.Deadline);
        string fifo = lab.Folder["fifo"];
        string said = await Route.ShellAsync(lab, $"mkfifo {fifo}; exec 3<>{fifo}; {await CommandAsync(lab, server, $"127.0.0.1:{service.Port}")} < {fifo}");
        Assert.Equal("welcome to the other side\n", said);
    });

    [Fact]
    public Task It_is_a_ProxyCommand_for_OpenSSHs_client() => Lab.RunAsync(async lab =>
    {
        Server bastion = await lab.StartServerAsync(Peer.Adit), target = await lab.StartServerAsync(Peer.OpenSsh);
        string config = await Route.WriteAsync(lab, [bastion, target]), data = lab.Folder["data"];
        await Route.ShellAsync(lab, $"head -c 20000000 /dev/urandom > {data}");
        string proxy = Route.Quote([Machine.Adit, .. Route.Arguments(config, bastion, "-W", "%h:%p")]);
        string ssh = Route.Quote([Machine.Tool("ssh"), "-F", config, "-o", $"ProxyCommand={proxy}", "-p", Daemons.Text(target.Port), $"{target.User}@127.0.0.1", "cat"]);
        Assert.Equal(await Route.ShellAsync(lab, $"sha256sum < {data}"), await Route.ShellAsync(lab, $"{ssh} < {data} | sha256sum"));
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task A_refused_connection_is_told(Peer kind) => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(kind);
        string config = await Route.WriteAsync(lab, [server]);
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, Route.Arguments(config, server, "-W", $"127.0.0.1:{Net.FreePort()}"));
        Assert.Equal(255, result.ExitCode);
        Assert.Equal(["channel 0: open failed: connect failed: Connection refused", "stdio forwarding failed"], result.ErrorLines.Take(2));
    });

    [Fact]
    public Task Unix_sockets_may_be_at_either_end() => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.OpenSsh);
        string far = lab.Folder["far"], near = lab.Folder["near"], config = await Route.WriteAsync(lab, [server]);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(far));
        listener.Listen();
        int port = Net.FreePort();
        ManagedProcess client = lab.Start(
            "client", Machine.Adit, Route.Arguments(config, server, "-N", "-L", $"{near}:{far}", "-L", $"127.0.0.1:{port}:{far}"));
        await Net.WaitForListenerAsync(client, port, lab.Deadline);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(near));

        using Socket byPath = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await byPath.ConnectAsync(new UnixDomainSocketEndPoint(near), lab.Deadline);
        await ExchangeAsync(byPath);
        using Socket byPort = await Net.ConnectAsync(port, lab.Deadline);
        await ExchangeAsync(byPort);
        Task<ProcessResult> piped = lab.RunAsync("-W", Machine.Adit, Route.Arguments(config, server, "-W", far), input: "ping");
        using Socket end = await listener.AcceptAsync(lab.Deadline);
        Assert.Equal("ping"u8.ToArray(), await Net.ReceiveToEndAsync(end, lab.Deadline));
        await Net.SendAllAsync(end, "pong"u8.ToArray(), lab.Deadline);
        end.Dispose();
        ProcessResult result = await piped;
        Assert.Equal((0, "pong\n"), (result.ExitCode, result.Output));

        async Task ExchangeAsync(Socket socket)
        {
            using Socket there = await listener.AcceptAsync(lab.Deadline);
            Task answering = Traffic.BothWaysAsync(there, 1_000_000, sendUp: false, compressible: false, lab.Deadline);
            await Traffic.BothWaysAsync(socket, 1_000_000, sendUp: true, compressible: false, lab.Deadline);
            await answering;
        }
    });

    private static async Task<string> CommandAsync(Lab lab, Server server, string destination) =>
        Route.Quote([Machine.Adit, .. Route.Arguments(await Route.WriteAsync(lab, [server]), server, "-W", destination)]);
}
