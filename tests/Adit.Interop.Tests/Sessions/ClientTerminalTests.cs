using Adit.Cli.Tests.Terminal;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Sessions;

/// <summary>A person at a terminal. What is asserted holds for OpenSSH's client as well.</summary>
public sealed class ClientTerminalTests
{
    /// <summary>A shell whose prompt cannot be taken for what was typed.</summary>
    private const string Shell = "PS1='pro''mpt> ' exec bash --norc --noprofile";

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task An_interactive_shell(Peer kind) => OnTerminalAsync(kind, [], async (terminal, client, lab) =>
    {
        await terminal.WaitForAsync("prompt> ");
        Assert.False(PseudoTerminal.Echoes(terminal.Path));
        terminal.Type("stty size; echo $TERM\r");
        await terminal.WaitForAsync("24 80\r\nxterm\r\n");

        // While no line is edited: the shell has its own ways with a change then.
        terminal.Type("echo wa''its; until [ \"$(stty size)\" = '40 100' ]; do sleep 0.05; done; echo re''sized\r");
        await terminal.WaitForAsync("waits\r\n");
        terminal.Resize(40, 100);
        await terminal.WaitForAsync("resized\r\n");

        // Said by the program itself, so that a key which follows at once finds it in the foreground.
        terminal.Type("sh -c 'echo st\"\"arted; exec sleep 100'\r");
        await terminal.WaitForAsync("started\r\n");
        terminal.Type("\u0003");
        await terminal.WaitForAsync("prompt> ");
        terminal.Type("sh -c 'echo ag\"\"ain; exec cat'\r");
        await terminal.WaitForAsync("again\r\n");
        terminal.Type("\u001a");
        await terminal.WaitForAsync("Stopped");
        await terminal.WaitForAsync("prompt> ");
        terminal.Type("fg\r");
        await terminal.WaitForAsync("exec cat'\r\n");

        // bash prints the command before it gives it the terminal: a Ctrl-C at once could still be bash's own.
        terminal.Type("a line\r");
        await terminal.WaitForAsync("a line\r\na line\r\n");
        terminal.Type("\u0003");
        await terminal.WaitForAsync("prompt> ");
        terminal.Type("exit 7\r");
        await terminal.WaitForAsync("Connection to 127.0.0.1 closed.");
        Assert.Equal(7, (await client.WaitForExitAsync(lab.Deadline)).ExitCode);
        Assert.True(PseudoTerminal.Echoes(terminal.Path));
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Escapes(Peer kind) => OnTerminalAsync(kind, ["-o", "EnableEscapeCommandline=yes"], async (terminal, client, lab) =>
    {
        await terminal.WaitForAsync("prompt> ");
        terminal.Type("~?");
        await terminal.WaitForAsync("Supported escape sequences:\r\n ~.");
        terminal.Type("~#");
        await terminal.WaitForAsync("The following connections are open:\r\n  #0 ");
        terminal.Type("~v~V");
        await terminal.WaitForAsync("~v [LogLevel VERBOSE]\r\n~V [LogLevel INFO]\r\n");
        int port = Net.FreePort();
        terminal.Type("~C");
        await terminal.WaitForAsync("ssh> ");
        terminal.Type($"-D{port}\r");
        await terminal.WaitForAsync("Forwarding port.");
        Assert.True(Net.IsListening(port));
        terminal.Type("\r~C");
        await terminal.WaitForAsync("ssh> ");
        terminal.Type($"-KD127.0.0.1:{port}\r"); // no address is another thing than one of its addresses
        await terminal.WaitForAsync("Unknown port forwarding.");
        terminal.Type("\r~C");
        await terminal.WaitForAsync("ssh> ");
        terminal.Type($"-KDlocalhost:{port}\r"); // but the same as this
        await terminal.WaitForAsync("Canceled forwarding.");
        Assert.False(Net.IsListening(port));
        terminal.Type("\r~C");
        await terminal.WaitForAsync("ssh> ");
        terminal.Type("-X\r");
        await terminal.WaitForAsync("Invalid command.");
        if (kind == Peer.Adit)
        {
            // Gives up the line, not the session. OpenSSH's client too, which then drops what is typed too soon behind it.
            terminal.Type("\r~C");
            await terminal.WaitForAsync("ssh> ");
            terminal.Type("-L\u0003");
            await terminal.WaitForAsync("-L^C");
        }

        terminal.Type("\r~R");
        terminal.Type("echo ke''yed\r");
        await terminal.WaitForAsync("keyed\r\n");
        terminal.Type("~~\r");
        await terminal.WaitForAsync("~\r\n");
        terminal.Type("\r~.");
        await terminal.WaitForAsync("Connection to 127.0.0.1 closed.");
        Assert.Equal(255, (await client.WaitForExitAsync(lab.Deadline)).ExitCode);
        Assert.True(PseudoTerminal.Echoes(terminal.Path));
    });

    [Theory]
    [InlineData(Peer.OpenSsh, ManagedProcess.SigTerm)]
    [InlineData(Peer.Adit, ManagedProcess.SigTerm)]
    [InlineData(Peer.Adit, ManagedProcess.SigInt)]
    public Task A_signal_leaves_the_terminal_as_it_was(Peer kind, int signal) => OnTerminalAsync(kind, [], async (terminal, client, lab) =>
    {
        await terminal.WaitForAsync("prompt> ");
        client.Signal(signal);
        Assert.Equal(255, (await client.WaitForExitAsync(lab.Deadline)).ExitCode);
        Assert.True(PseudoTerminal.Echoes(terminal.Path));
    });

    [Theory]
    [InlineData("less", "-X /etc/services", "tcpmux", "/etc/services", "q")]
    [InlineData("vim", "-u NONE -N /etc/services", "tcpmux", "", ":q!\r")]
    public Task Full_screen_programs_draw_and_redraw(string program, string arguments, string shown, string last, string quit) => OnTerminalAsync(Peer.Adit, [], async (terminal, client, lab) =>
    {
        Need.Tools(program);
        Need.That(File.Exists("/etc/services"), "/etc/services");
        await terminal.WaitForAsync("prompt> ");
        terminal.Type($"{program} {arguments}\r");
        await terminal.WaitForAsync(shown);
        await terminal.WaitForAsync(last); // less may draw half a line where it is interrupted
        terminal.Resize(50, 120);
        await terminal.WaitForAsync(shown); // drawn anew
        terminal.Type(quit);
        await terminal.WaitForAsync("prompt> ");
        terminal.Type("exit\r");
        Assert.Equal(0, (await client.WaitForExitAsync(lab.Deadline)).ExitCode);
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task It_can_be_suspended_and_goes_on(Peer kind) => Lab.RunAsync(async lab =>
    {
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        await using var terminal = new PseudoTerminal();
        terminal.Resize(24, 80);
        ManagedProcess outer = lab.Start("bash", "/bin/sh",
            ["-c", "exec setsid -c bash --norc --noprofile -i <\"$0\" >\"$0\" 2>\"$0\"", terminal.Path], new Dictionary<string, string?> { ["PS1"] = "outer> ", ["TERM"] = "xterm" });
        await terminal.WaitForAsync("outer> ");
        terminal.Type(Forwarding.Route.Quote(scene.Command(kind, "-t", ClientSessionLab.Host, Shell)) + "\r");
        await terminal.WaitForAsync("prompt> ");
        terminal.Type("\r");
        await terminal.WaitForAsync("prompt> ");
        terminal.Type("~\u001a");
        await terminal.WaitForAsync("Stopped");
        await terminal.WaitForAsync("outer> ");
        terminal.Type("fg\r");
        await terminal.WaitForAsync("\r\n");
        await Net.WaitUntilAsync(() => !PseudoTerminal.Echoes(terminal.Path), "raw again", TimeSpan.FromSeconds(20));
        terminal.Type("echo he''re\r");
        await terminal.WaitForAsync("here\r\n");
        terminal.Type("exit 3\r");
        await terminal.WaitForAsync("outer> ");
        terminal.Type("exit $?\r");
        Assert.Equal(3, (await outer.WaitForExitAsync(lab.Deadline)).ExitCode);
    });

    private static Task OnTerminalAsync(Peer kind, string[] arguments, Func<PseudoTerminal, ManagedProcess, Lab, Task> test) => Lab.RunAsync(async lab =>
    {
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        await using var terminal = new PseudoTerminal();
        terminal.Resize(24, 80);
        ManagedProcess client = scene.StartOn(terminal, kind, [.. arguments, "-t", ClientSessionLab.Host, Shell]);
        await test(terminal, client, lab);
    });
}
