using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Wire;

namespace Adit.Cli.Multiplexing;

/// <summary>How a request to a master went.</summary>
/// <param name="Type">The kind of answer.</param>
/// <param name="Number">Its number, where it has one: a process, a port, a session.</param>
/// <param name="Text">Its text, where it has one.</param>
internal readonly record struct MuxAnswer(MuxType Type, uint Number = 0, string Text = "");

/// <summary>The client's end of a control connection, after HELLO. One request at a time; errors are told in OpenSSH's words, names of functions included.</summary>
internal sealed class MuxClient(MuxConnection connection, LogOutput log) : IDisposable
{
    private uint _request;

    public MuxConnection Connection => connection;

    /// <summary>The master's process. Null when it is gone.</summary>
    /// <exception cref="SshException">It answers nonsense.</exception>
    public async Task<int?> AliveAsync(CancellationToken cancellationToken)
    {
        if (!await connection.SendAsync(MuxType.AliveCheck, _request).ConfigureAwait(false)
            || await AnswerAsync("mux_client_request_alive", cancellationToken).ConfigureAwait(false) is not { } answer)
        {
            return null;
        }

        return answer.Type == MuxType.Alive ? (int)answer.Number : throw new UsageException($"mux_client_request_alive: master returned error: {answer.Text}");
    }

    /// <summary>Asks the master to end. It may be gone before it has answered.</summary>
    /// <exception cref="UsageException">It will not.</exception>
    public async Task TerminateAsync(CancellationToken cancellationToken)
    {
        if (await connection.SendAsync(MuxType.Terminate, _request).ConfigureAwait(false)
            && await AnswerAsync("mux_client_request_terminate", cancellationToken).ConfigureAwait(false) is { } answer)
        {
            Demand(answer, "mux_client_request_terminate", "Master refused termination request", "termination request failed");
        }
    }

    /// <summary>Asks the master to take no more clients.</summary>
    /// <exception cref="UsageException">It will not, or is gone.</exception>
    public async Task StopListeningAsync(CancellationToken cancellationToken)
    {
        const string Function = "mux_client_request_stop_listening";
        if (!await connection.SendAsync(MuxType.StopListening, _request).ConfigureAwait(false)
            || await AnswerAsync(Function, cancellationToken).ConfigureAwait(false) is not { } answer)
        {
            throw new UsageException($"{Function}: read from master failed: Broken pipe");
        }

        Demand(answer, Function, "Master refused stop listening request", "stop listening request failed");
    }

    /// <summary>Asks the master to pass SSH packets on: from here on they are all that goes over the connection.</summary>
    /// <exception cref="UsageException">It will not, or is gone.</exception>
    public async Task ProxyAsync(CancellationToken cancellationToken)
    {
        const string Function = "mux_client_proxy";
        if (!await connection.SendAsync(MuxType.Proxy, _request).ConfigureAwait(false)
            || await AnswerAsync(Function, cancellationToken).ConfigureAwait(false) is not { } answer)
        {
            throw new UsageException($"{Function}: read from master failed: Broken pipe");
        }

        if (answer.Type != MuxType.ProxyGranted)
        {
            throw new UsageException($"{Function}: master returned error: {(answer.Text.Length > 0 ? answer.Text : $"0x{(uint)answer.Type:x8}")}");
        }
    }

    /// <summary>Asks the master to tell about its connection.</summary>
    /// <param name="what">"connection" or "channels".</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="UsageException">It cannot, or is gone.</exception>
    public async Task<string> InformAsync(string what, CancellationToken cancellationToken)
    {
        const string Function = "mux_client_request_ext_info";
        if (!connection.KnowsInformation)
        {
            throw new UsageException("adit: the master does not know this request (OpenSSH's does from 10.3 on).");
        }

        var writer = new SshWriter(32);
        writer.WriteUInt32((uint)MuxType.Information);
        writer.WriteUInt32(_request);
        writer.WriteString(what);
        if (!await connection.SendAsync(writer.ToArray()).ConfigureAwait(false)
            || await AnswerAsync(Function, cancellationToken).ConfigureAwait(false) is not { } answer)
        {
            throw new UsageException($"{Function}: read from master failed: Broken pipe");
        }

        return answer.Type == MuxType.InformationGiven ? answer.Text : throw new UsageException($"{Function}: master returned error: {answer.Text}");
    }

    /// <summary>Asks for all forwards, or for their end. False when one was refused, which has been told.</summary>
    /// <param name="forwards">What to ask for.</param>
    /// <param name="cancels">Take them away instead.</param>
    /// <param name="printsPorts">Ports that the server chose go to standard output.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<bool> ForwardAsync(IEnumerable<MuxForward> forwards, bool cancels, bool printsPorts, CancellationToken cancellationToken)
    {
        var isFine = true;
        foreach (var forward in forwards)
        {
            isFine &= await ForwardAsync(forward, cancels, printsPorts, cancellationToken).ConfigureAwait(false);
        }

        return isFine;
    }

    /// <summary>Sends a request with descriptors and returns the number of the session that the master began; null where it did not, which has been told.</summary>
    /// <param name="packet">Makes the packet for a request's number.</param>
    /// <param name="descriptors">What goes along.</param>
    /// <param name="function">Its name in messages.</param>
    /// <param name="what">The request's, there.</param>
    /// <param name="failed">What begins the line for a failure.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<uint?> OpenAsync(Func<uint, byte[]> packet, int[] descriptors, string function, string what, string failed, CancellationToken cancellationToken)
    {
        MuxAnswer? answer = null;
        try
        {
            if (await connection.SendAsync(packet(_request)).ConfigureAwait(false))
            {
                foreach (var descriptor in descriptors)
                {
                    DescriptorPassing.Send(connection.Socket, descriptor);
                }

                answer = await AnswerAsync(function, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (IOException e) when (e is not SshException)
        {
            log.Write(OpenSshLogLevel.Debug1, $"{function}: send fds failed: {e.Message}");
        }

        switch (answer)
        {
            case { Type: MuxType.SessionOpened, Number: var session }:
                log.Write(OpenSshLogLevel.Debug1, $"{function}: master session id: {session}");
                return session;
            case { Type: MuxType.PermissionDenied, Text: var text }:
                log.Write(OpenSshLogLevel.Error, $"Master refused {what} request: {text}");
                return null;
            case { Type: MuxType.Failure, Text: var text }:
                log.Write(OpenSshLogLevel.Error, $"{failed} request failed: {text}");
                return null;
            case { Type: var type }:
                log.Write(OpenSshLogLevel.Error, $"{function}: unexpected response from master 0x{(uint)type:x8}");
                return null;
            default:
                log.Write(OpenSshLogLevel.Error, $"{function}: read from master failed: Broken pipe");
                return null;
        }
    }

    public void Dispose() => connection.Dispose();

    private static void Demand(MuxAnswer answer, string function, string refused, string failed)
    {
        switch (answer.Type)
        {
            case MuxType.Ok:
                return;
            case MuxType.PermissionDenied:
                throw new UsageException($"{refused}: {answer.Text}");
            case MuxType.Failure:
                throw new UsageException($"{function}: {failed}: {answer.Text}");
            default:
                throw new UsageException($"{function}: unexpected response from master 0x{(uint)answer.Type:x8}");
        }
    }

    private async Task<bool> ForwardAsync(MuxForward forward, bool cancels, bool printsPorts, CancellationToken cancellationToken)
    {
        const string Function = "mux_client_forward";
        log.Write(OpenSshLogLevel.Debug1, $"Requesting {(cancels ? "cancellation of" : "forwarding of")} {forward.Describe(gatewayPorts: false)}");
        if (!await connection.SendAsync(Packet(cancels ? MuxType.CloseForward : MuxType.OpenForward, _request, forward)).ConfigureAwait(false)
            || await AnswerAsync(Function, cancellationToken).ConfigureAwait(false) is not { } answer)
        {
            return false;
        }

        switch (answer.Type)
        {
            case MuxType.Ok:
                return true;
            case MuxType.RemotePort when !cancels:
                var destination = forward.Destination ?? ForwardAddress.Tcp("socks", 0);
                log.Write(OpenSshLogLevel.Verbose, $"Allocated port {answer.Number} for remote forward to {destination}");
                if (printsPorts)
                {
                    StandardStreams.WriteOutLine($"{answer.Number}");
                }

                return true;
            case MuxType.PermissionDenied:
                log.Write(OpenSshLogLevel.Error, $"Master refused forwarding request: {answer.Text}");
                return false;
            case MuxType.Failure:
                log.Write(OpenSshLogLevel.Error, $"{Function}: forwarding request failed: {answer.Text}");
                return false;
            default:
                throw new UsageException($"{Function}: unexpected response from master 0x{(uint)answer.Type:x8}");
        }
    }

    private static byte[] Packet(MuxType type, uint request, MuxForward forward)
    {
        var writer = new SshWriter(128);
        writer.WriteUInt32((uint)type);
        writer.WriteUInt32(request);
        forward.Write(ref writer);
        return writer.ToArray();
    }

    /// <summary>Null when the master is gone.</summary>
    private async Task<MuxAnswer?> AnswerAsync(string function, CancellationToken cancellationToken)
    {
        var packet = await connection.ReceiveAsync(cancellationToken).ConfigureAwait(false);
        return packet is null ? null : Parse(packet, function);
    }

    private MuxAnswer Parse(byte[] packet, string function)
    {
        var reader = new SshReader(packet);
        var type = (MuxType)reader.ReadUInt32();
        var request = reader.ReadUInt32();
        if (request != _request)
        {
            throw new UsageException($"{function}: out of sequence reply: my id {_request} theirs {request}");
        }

        _request++;
        return type switch
        {
            MuxType.PermissionDenied or MuxType.Failure or MuxType.InformationGiven => new MuxAnswer(type, Text: reader.ReadText()),
            MuxType.Alive or MuxType.SessionOpened or MuxType.RemotePort => new MuxAnswer(type, reader.ReadUInt32()),
            _ => new MuxAnswer(type),
        };
    }
}
