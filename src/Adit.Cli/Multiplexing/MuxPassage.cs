using System.Runtime.InteropServices;
using Adit.Cli.Background;
using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Cli.Terminal;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;

namespace Adit.Cli.Multiplexing;

/// <summary>A run over a master's connection. The master carries all bytes, by copies of our descriptors; this process waits for the end.</summary>
internal sealed class MuxPassage(MuxClient client, SshConfigValues config, SessionSettings session, BackgroundChild? background, LogOutput log)
{
    /// <summary>A session. Null where the master would not.</summary>
    public async Task<int?> RunAsync(CancellationToken cancellationToken)
    {
        const string Function = "mux_client_request_session";
        if (await client.AliveAsync(cancellationToken).ConfigureAwait(false) is not { } master)
        {
            log.Write(OpenSshLogLevel.Error, $"{Function}: master alive request failed");
            return null;
        }

        var request = MuxSessionRequest.Of(session, config);
        int[] descriptors = [Descriptor.StandardInput, Descriptor.StandardOutput, Descriptor.StandardError];
        using var nothing = session.StdinNull ? File.OpenHandle("/dev/null") : null;
        if (nothing is not null)
        {
            descriptors[0] = (int)nothing.DangerousGetHandle();
        }

        if (await client.OpenAsync(request.ToPacket, descriptors, Function, "session", $"{Function}: session", cancellationToken).ConfigureAwait(false) is not { } number)
        {
            return null;
        }

        using var signals = new EndingSignals();
        using var windowChange = Relay(master);
        if (background is not null)
        {
            await background.DetachAsync(log).ConfigureAwait(false);
        }

        using var terminal = background is null && request.WantsTerminal ? LocalTerminal.TryOpen(Descriptor.StandardInput) : null;
        terminal?.EnterRaw();
        var code = await EndAsync(WaitAsync(number, terminal, cancellationToken), signals).ConfigureAwait(false);
        terminal?.LeaveRaw();
        if (request.WantsTerminal)
        {
            log.Write(OpenSshLogLevel.Info, $"Shared connection to {config.Host} closed.");
        }

        return code;
    }

    /// <summary>-W. Null where the master is gone before it was asked.</summary>
    public async Task<int?> ConnectAsync(ForwardAddress destination, CancellationToken cancellationToken)
    {
        const string Function = "mux_client_request_stdio_fwd";
        if (await client.AliveAsync(cancellationToken).ConfigureAwait(false) is null)
        {
            log.Write(OpenSshLogLevel.Error, $"{Function}: master alive request failed");
            return null;
        }

        if (await client.OpenAsync(
            request => Packet(request, destination), [Descriptor.StandardInput, Descriptor.StandardOutput], Function, "stdio forwarding", "Stdio forwarding", cancellationToken).ConfigureAwait(false) is null)
        {
            return ExitCode.Ssh;
        }

        using var signals = new EndingSignals();
        var ended = client.Connection.ReceiveAsync(cancellationToken);
        if (await Task.WhenAny(ended, signals.Received).ConfigureAwait(false) != ended)
        {
            return ExitCode.Success;
        }

        return await ended.ConfigureAwait(false) is null
            ? ExitCode.Success
            : throw new UsageException($"{Function}: master returned unexpected message");
    }

    /// <summary>-N: the forwards are the master's now. This process stays until the master or a signal ends it, so that a script can wait for it.</summary>
    public async Task<int?> StayAsync(CancellationToken cancellationToken)
    {
        using var signals = new EndingSignals();
        if (background is not null)
        {
            await background.DetachAsync(log).ConfigureAwait(false);
        }

        var ended = client.Connection.ReceiveAsync(cancellationToken);
        return await Task.WhenAny(ended, signals.Received).ConfigureAwait(false) != ended && await signals.Received.ConfigureAwait(false) == PosixSignal.SIGTERM
            ? ExitCode.Success
            : ExitCode.Ssh;
    }

    /// <summary>Asks for a connection that goes over two descriptors.</summary>
    internal static byte[] Packet(uint request, ForwardAddress destination)
    {
        var writer = new SshWriter(128);
        writer.WriteUInt32((uint)MuxType.NewStandardIoForward);
        writer.WriteUInt32(request);
        writer.WriteString("");
        writer.WriteString(destination.IsUnix ? destination.Path! : destination.Host!);
        writer.WriteUInt32(destination.IsUnix ? MuxProtocol.UnixPort : (uint)destination.Port);
        return writer.ToArray();
    }

    /// <summary>The master asks the terminal for its size when it is told that there is another one.</summary>
    private static PosixSignalRegistration? Relay(int master) =>
        OperatingSystem.IsWindows() || master <= 1 ? null : PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ =>
        {
            if (OperatingSystem.IsLinux())
            {
                PosixProcess.Kill(master, PosixProcess.WindowChange);
            }
        });

    private async Task<int> EndAsync(Task<int> waiting, EndingSignals signals)
    {
        if (await Task.WhenAny(waiting, signals.Received).ConfigureAwait(false) == waiting)
        {
            return await waiting.ConfigureAwait(false);
        }

        log.Write(OpenSshLogLevel.Debug2, $"Exiting on signal: {EndingSignals.Number(await signals.Received.ConfigureAwait(false))}");
        return ExitCode.Ssh;
    }

    /// <summary>The exit code that the master tells; 255 when it ends before it did.</summary>
    private async Task<int> WaitAsync(uint number, LocalTerminal? terminal, CancellationToken cancellationToken)
    {
        int? status = null;
        while (await client.Connection.ReceiveAsync(cancellationToken).ConfigureAwait(false) is { } packet)
        {
            var (type, about, value) = Parse(packet);
            if (about != number)
            {
                throw new UsageException($"mux_client_request_session: {(type == MuxType.ExitMessage ? "exit" : "tty alloc fail")} on unknown session: my id {number} theirs {about}");
            }

            if (type == MuxType.TerminalFailed)
            {
                terminal?.LeaveRaw();
            }
            else if (status is not null)
            {
                throw new UsageException("mux_client_request_session: exitval sent twice");
            }
            else
            {
                status = (int)value;
            }
        }

        log.Write(OpenSshLogLevel.Debug2, status is { } known ? $"Received exit status from master {known}" : "Control master terminated unexpectedly");
        return (status ?? ExitCode.Ssh) & 0xff;
    }

    private static (MuxType Type, uint Session, uint Value) Parse(byte[] packet)
    {
        var reader = new SshReader(packet);
        var type = (MuxType)reader.ReadUInt32();
        return type switch
        {
            MuxType.ExitMessage => (type, reader.ReadUInt32(), reader.ReadUInt32()),
            MuxType.TerminalFailed => (type, reader.ReadUInt32(), 0),
            _ => throw new UsageException($"mux_client_request_session: unexpected message from master 0x{(uint)type:x8}"),
        };
    }
}
