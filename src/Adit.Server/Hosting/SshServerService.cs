using System.Net;
using Adit.Ssh;
using Microsoft.Extensions.Hosting;

namespace Adit.Server.Hosting;

/// <summary>The server of a host: starts with it; at its end stops listening, lets connections go on for a while, then ends them.</summary>
public sealed class SshServerService : IHostedService
{
    private readonly SshServerBuilder _builder;
    private readonly IServiceProvider _provider;
    private SshServer? _server;

    internal SshServerService(SshServerBuilder builder, IServiceProvider provider)
    {
        _builder = builder;
        _provider = provider;
    }

    /// <summary>What is really listened on; empty before the host has started.</summary>
    public IReadOnlyList<IPEndPoint> BoundEndpoints => _server?.BoundEndpoints ?? [];

    /// <summary>Connections now, logged in or not.</summary>
    public int ConnectionCount => _server?.ConnectionCount ?? 0;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var options = _builder.Build(_provider);
        if (options.HostKeys.Count == 0)
        {
            throw new SshException(SshError.Configuration, "sshd: no hostkeys available")
            {
                Hint = "Add one: o.HostKeys.AddFile(\"host_ed25519\"), made with: adit keygen -t ed25519 -f host_ed25519",
            };
        }

        var server = new SshServer(options);
        try
        {
            await server.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (SshException)
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        _server = server;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _server, null) is not { } server)
        {
            return;
        }

        await server.StopListeningAsync().ConfigureAwait(false);
        using var drained = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(server.WhenEndedAsync(), Task.Delay(_builder.DrainTime, drained.Token)).ConfigureAwait(false);
        await drained.CancelAsync().ConfigureAwait(false);
        await server.DisposeAsync().ConfigureAwait(false);
    }
}
