using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Configuration;

/// <summary>Programs that start ssh, with ours in its place.</summary>
public sealed class DrivenTests
{
    [Fact]
    public Task Autossh_starts_it_again_when_the_connection_is_gone() => Lab.RunAsync(async lab =>
    {
        Need.Tools("autossh");
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        await using Service echo = Service.Echo(lab.Deadline);
        int port = Net.FreePort();
        IReadOnlyList<string> command = await Clients.SshCommandAsync(lab, Peer.Adit, there, new ClientOptions(), [$"127.0.0.1:{port}:127.0.0.1:{echo.Port}"]);

        // The link is what autossh takes for ssh; its own monitoring ports are off: keepalives do that.
        string link = lab.Folder["ssh"];
        File.CreateSymbolicLink(link, Machine.Adit);
        ManagedProcess autossh = lab.Start("autossh", Machine.Tool("autossh"), ["-M", "0", .. command.Skip(2), "-v"], new Dictionary<string, string?>
        {
            ["AUTOSSH_PATH"] = link,
            ["AUTOSSH_GATETIME"] = "0",
            ["AUTOSSH_DEBUG"] = "1",
        });
        await Net.WaitForListenerAsync(autossh, port, lab.Deadline);
        await EchoesAsync(lab, port);

        // The server drops the connection; autossh sees our exit code and starts the next.
        string first = await there.Process.WaitForLineAsync("Accepted publickey", lab.Deadline);
        Assert.NotEmpty(first);
        await lab.MustAsync(Machine.Tool("pkill"), "-TERM", "-P", there.Process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await autossh.WaitForLineAsync("ssh exited with error status 255; restarting ssh", lab.Deadline);
        await Net.WaitForListenerAsync(autossh, port, lab.Deadline);
        await EchoesAsync(lab, port);

        // It ends ssh with itself.
        autossh.Signal(ManagedProcess.SigTerm);
        await autossh.WaitForExitAsync(lab.Deadline);
        await there.Process.WaitForLineAsync("Received disconnect", lab.Deadline);
    });

    private static async Task EchoesAsync(Lab lab, int port)
    {
        using Socket socket = await Net.ConnectAsync(port, lab.Deadline);
        await socket.SendAsync("again"u8.ToArray(), lab.Deadline);
        byte[] answer = new byte[5];
        int length = await socket.ReceiveAsync(answer, lab.Deadline);
        Assert.Equal("again"u8.ToArray()[..length], answer[..length]);
    }
}
