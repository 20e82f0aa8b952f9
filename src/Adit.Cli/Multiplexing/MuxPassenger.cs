using System.Net.Sockets;
using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Wire;

namespace Adit.Cli.Multiplexing;

/// <summary>One client of a master: answers its requests in turn, and runs the one session or connection that it may have.</summary>
internal sealed class MuxPassenger(MuxMaster master, MuxConnection connection)
{
    private const string Malformed = "malformed message";

    private readonly Lock _lock = new();
    private MuxSession? _session;
    private Task? _running;

    /// <summary>Serves until the client or its session ends, or <paramref name="cancellationToken"/> says so.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            if (!await connection.GreetAsync(ending.Token).ConfigureAwait(false))
            {
                return;
            }

            while (await connection.ReceiveAsync(ending.Token).ConfigureAwait(false) is { } packet
                && await HandleAsync(packet, ending.Token).ConfigureAwait(false))
            {
            }
        }
        catch (SshException e)
        {
            master.Log.Write(OpenSshLogLevel.Error, $"mux_master_read_cb: {(e.Error == SshError.ProtocolError ? Malformed : e.Message)}");
        }
        catch (OperationCanceledException)
        {
            // The master ends.
        }
        finally
        {
            // A client that went away takes its session along.
            await ending.CancelAsync().ConfigureAwait(false);
            MuxSession? session;
            lock (_lock)
            {
                session = _session;
            }

            if (session is not null)
            {
                await session.DisposeAsync().ConfigureAwait(false);
            }

            await (_running ?? Task.CompletedTask).ConfigureAwait(false);
            connection.Dispose();
        }
    }

    /// <summary>The terminal of a client, or of some, has another size.</summary>
    public void ChangeWindow()
    {
        lock (_lock)
        {
            _session?.ChangeWindow();
        }
    }

    /// <summary>False where the client is not worth going on with.</summary>
    private Task<bool> HandleAsync(byte[] packet, CancellationToken cancellationToken)
    {
        var reader = new SshReader(packet);
        var type = (MuxType)reader.ReadUInt32();
        var request = reader.ReadUInt32();
        switch (type)
        {
            case MuxType.AliveCheck:
                return connection.SendAsync(MuxType.Alive, request, (uint)Environment.ProcessId);
            case MuxType.NewSession:
                return OpenSessionAsync(request, MuxSessionRequest.Read(ref reader), cancellationToken);
            case MuxType.NewStandardIoForward:
                _ = reader.ReadString();
                var host = reader.ReadText(4096);
                var port = reader.ReadUInt32();
                return port is > 65535 and not MuxProtocol.UnixPort
                    ? throw new SshException(SshError.ProtocolError, $"invalid port 0x{port:x}")
                    : ConnectAsync(request, port == MuxProtocol.UnixPort ? ForwardAddress.Unix(host) : ForwardAddress.Tcp(host, (int)port), cancellationToken);
            case MuxType.OpenForward:
                return OpenForwardAsync(request, MuxForward.Read(ref reader), cancellationToken);
            case MuxType.CloseForward:
                return CloseForwardAsync(request, MuxForward.Read(ref reader), cancellationToken);
            case MuxType.Terminate:
                return TerminateAsync(request, cancellationToken);
            case MuxType.StopListening:
                return StopAsync(request, cancellationToken);
            case MuxType.Proxy:
                return ProxyAsync(request, cancellationToken);
            case MuxType.Information:
                return InformAsync(request, reader.ReadText(64));
            default:
                master.Log.Write(OpenSshLogLevel.Error, $"mux_master_read_cb: unsupported mux message 0x{(uint)type:x8}");
                return connection.SendErrorAsync(MuxType.Failure, request, "unsupported request");
        }
    }

    /// <summary>Null, with the client told, unless all of them came and it may have what they are for.</summary>
    private async Task<PassedDescriptor[]?> TakeDescriptorsAsync(uint request, int count, string question, CancellationToken cancellationToken)
    {
        var descriptors = new List<PassedDescriptor>();
        string? refusal = null;
        try
        {
            while (descriptors.Count < count && refusal is null)
            {
                if (await DescriptorPassing.ReceiveAsync(connection.Socket, cancellationToken).ConfigureAwait(false) is { } descriptor)
                {
                    descriptors.Add(descriptor);
                    continue;
                }

                master.Log.Write(OpenSshLogLevel.Error, $"mux_master_read_cb: failed to receive fd {descriptors.Count} from client");
                refusal = "did not receive file descriptors";
            }

            refusal ??= _running is not null ? "Multiple sessions not supported" : null;
            if (refusal is not null)
            {
                await connection.SendErrorAsync(MuxType.Failure, request, refusal).ConfigureAwait(false);
            }
            else if (await master.MayAsync(question, cancellationToken).ConfigureAwait(false))
            {
                PassedDescriptor[] taken = [.. descriptors];
                descriptors.Clear();
                return taken;
            }
            else
            {
                await RefuseAsync(request).ConfigureAwait(false);
            }

            return null;
        }
        finally
        {
            descriptors.ForEach(descriptor => descriptor.Dispose());
        }
    }

    private async Task<bool> OpenSessionAsync(uint request, MuxSessionRequest wanted, CancellationToken cancellationToken)
    {
        if (await TakeDescriptorsAsync(request, 3, $"Allow shared connection to {master.Settings.Host}? ", cancellationToken).ConfigureAwait(false) is not { } descriptors)
        {
            return true;
        }

        MuxSession session;
        try
        {
            session = new MuxSession(await master.Client.OpenSessionAsync(cancellationToken).ConfigureAwait(false), descriptors);
        }
        catch (Exception e) when (e is SshException or OperationCanceledException)
        {
            Array.ForEach(descriptors, descriptor => descriptor.Dispose());
            return await connection.SendErrorAsync(MuxType.Failure, request, "Session open refused by peer").ConfigureAwait(false);
        }

        lock (_lock)
        {
            _session = session;
        }

        ISessionRequests[] forwardings = [.. master.Requests.Where(request => request.Kind == SessionRequestKind.X11 ? wanted.WantsX11 : wanted.WantsAgent)];
        var (terminal, program) = await session.StartAsync(wanted, forwardings, cancellationToken).ConfigureAwait(false);
        await connection.SendAsync(MuxType.SessionOpened, request, session.Number).ConfigureAwait(false);
        _running = RunSessionAsync(session, wanted, terminal, program);
        return true;
    }

    private async Task RunSessionAsync(MuxSession session, MuxSessionRequest wanted, Task<bool> terminal, Task<bool> program)
    {
        try
        {
            await session.TellRefusalsAsync().ConfigureAwait(false);
            var hasTerminal = await terminal.ConfigureAwait(false);
            if (!hasTerminal)
            {
                await connection.SendAsync(MuxType.TerminalFailed, session.Number).ConfigureAwait(false);
                await session.TellAsync("PTY allocation").ConfigureAwait(false);
            }

            if (!await program.ConfigureAwait(false))
            {
                await session.TellAsync(wanted.IsSubsystem ? "subsystem" : wanted.Command.Length > 0 ? "exec" : "shell").ConfigureAwait(false);
            }
            else
            {
                await using var pacer = hasTerminal && session.HasTerminal ? master.NewPacer() : null;
                if (await session.RunAsync(pacer).ConfigureAwait(false) is { } status)
                {
                    await connection.SendAsync(MuxType.ExitMessage, session.Number, (uint)status).ConfigureAwait(false);
                }
            }
        }
        catch (SshException e)
        {
            master.Log.Write(OpenSshLogLevel.Debug1, $"session {session.Number} ended with the connection: {e.Message}");
        }

        await session.DisposeAsync().ConfigureAwait(false);
        HangUp();
    }

    /// <summary>-W of a client.</summary>
    private async Task<bool> ConnectAsync(uint request, ForwardAddress destination, CancellationToken cancellationToken)
    {
        var question = destination.IsUnix ? $"Allow forward to path {destination.Path}" : $"Allow forward to [{destination.Host}]:{destination.Port}? ";
        if (await TakeDescriptorsAsync(request, 2, question, cancellationToken).ConfigureAwait(false) is not { } descriptors)
        {
            return true;
        }

        MuxCarrier carrier;
        try
        {
            carrier = new MuxCarrier(await master.Client.OpenAsync(destination, cancellationToken).ConfigureAwait(false), descriptors[0], descriptors[1]);
        }
        catch (Exception e) when (e is SshException or OperationCanceledException)
        {
            Array.ForEach(descriptors, descriptor => descriptor.Dispose());
            master.Log.Write(OpenSshLogLevel.Info, e.Message);
            return await connection.SendErrorAsync(MuxType.Failure, request, "Session open refused by peer").ConfigureAwait(false);
        }

        await connection.SendAsync(MuxType.SessionOpened, request, 0).ConfigureAwait(false);
        _running = CarryAsync(carrier, cancellationToken);
        return true;
    }

    private async Task CarryAsync(MuxCarrier carrier, CancellationToken cancellationToken)
    {
        await carrier.RunAsync(cancellationToken).ConfigureAwait(false);
        HangUp();
    }

    private async Task<bool> OpenForwardAsync(uint request, MuxForward? forward, CancellationToken cancellationToken)
    {
        if (forward is null)
        {
            return await connection.SendErrorAsync(MuxType.Failure, request, "Invalid forwarding request").ConfigureAwait(false);
        }

        var answer = master.Forwards.Find(forward);
        if (answer is null)
        {
            var question = $"Open {forward.Describe(master.Settings.Listen.GatewayPorts)} on {master.Settings.Host}?";
            if (!await master.MayAsync(question, cancellationToken).ConfigureAwait(false))
            {
                return await RefuseAsync(request).ConfigureAwait(false);
            }

            answer = await master.Forwards.OpenAsync(forward, cancellationToken).ConfigureAwait(false);
        }

        return answer.Value switch
        {
            { Failure: { } failure } => await connection.SendErrorAsync(MuxType.Failure, request, failure).ConfigureAwait(false),
            { AllocatedPort: > 0 and var port } when forward.Listen.Port == 0 => await connection.SendAsync(MuxType.RemotePort, request, (uint)port).ConfigureAwait(false),
            _ => await connection.SendAsync(MuxType.Ok, request).ConfigureAwait(false),
        };
    }

    /// <summary>From here on the connection carries SSH packets. It is asked for as a session is: a passenger in this mode can have any number of them.</summary>
    private async Task<bool> ProxyAsync(uint request, CancellationToken cancellationToken)
    {
        if (master.Client.IsHostKeyUnsafe)
        {
            // Before it is granted: what follows that is not read by people.
            return await connection.SendErrorAsync(MuxType.Failure, request, "Proxy mode is disabled to avoid man-in-the-middle attacks.").ConfigureAwait(false);
        }

        if (!await master.MayAsync($"Allow shared connection to {master.Settings.Host}? ", cancellationToken).ConfigureAwait(false))
        {
            return await RefuseAsync(request).ConfigureAwait(false);
        }

        if (!await connection.SendAsync(MuxType.ProxyGranted, request).ConfigureAwait(false))
        {
            return false;
        }

        try
        {
            await using var stream = new NetworkStream(connection.Socket, ownsSocket: false);
            await master.Client.CarryProxyAsync(stream, cancellationToken).ConfigureAwait(false);
        }
        catch (SshException e)
        {
            master.Log.Write(OpenSshLogLevel.Error, $"channel_proxy_downstream: {e.Message}");
        }

        return false;
    }

    private Task<bool> InformAsync(uint request, string what)
    {
        var text = what switch
        {
            "connection" => ConnectionReport.Connection(master.Client, master.Settings),
            "channels" => ConnectionReport.Channels(master.Client, master.Forwards.Specifications),
            _ => null,
        };
        return connection.SendErrorAsync(text is null ? MuxType.Failure : MuxType.InformationGiven, request, text ?? "unsupported request");
    }

    private async Task<bool> CloseForwardAsync(uint request, MuxForward? forward, CancellationToken cancellationToken) =>
        forward is not null && await master.Forwards.CloseAsync(forward, cancellationToken).ConfigureAwait(false)
            ? await connection.SendAsync(MuxType.Ok, request).ConfigureAwait(false)
            : await connection.SendErrorAsync(MuxType.Failure, request, "port not forwarded").ConfigureAwait(false);

    private async Task<bool> TerminateAsync(uint request, CancellationToken cancellationToken)
    {
        if (!await master.MayAsync($"Terminate shared connection to {master.Settings.Host}? ", cancellationToken).ConfigureAwait(false))
        {
            return await RefuseAsync(request).ConfigureAwait(false);
        }

        await connection.SendAsync(MuxType.Ok, request).ConfigureAwait(false);
        master.Terminate();
        return true;
    }

    private async Task<bool> StopAsync(uint request, CancellationToken cancellationToken)
    {
        if (!await master.MayAsync($"Disable further multiplexing on shared connection to {master.Settings.Host}? ", cancellationToken).ConfigureAwait(false))
        {
            return await RefuseAsync(request).ConfigureAwait(false);
        }

        master.StopListening();
        return await connection.SendAsync(MuxType.Ok, request).ConfigureAwait(false);
    }

    private Task<bool> RefuseAsync(uint request) => connection.SendErrorAsync(MuxType.PermissionDenied, request, "Permission denied");

    /// <summary>What was sent still arrives; the client sees the end after it.</summary>
    private void HangUp()
    {
        try
        {
            connection.Socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It went first.
        }
    }
}
