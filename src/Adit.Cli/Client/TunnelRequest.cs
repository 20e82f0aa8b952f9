using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Forwarding;

namespace Adit.Cli.Client;

/// <summary>-w and Tunnel: opens the device here, then asks the server for its own, and tells how that went in ssh's words.</summary>
internal sealed class TunnelRequest(SshClient client, ClientSettings settings, LogOutput log)
{
    private TunnelInterface? _device;

    /// <summary>What the interface is called; null for none.</summary>
    public string? Name { get; private set; }

    /// <summary>Opens the device. False when it cannot be, and ExitOnForwardFailure says that this ends the run.</summary>
    public bool Open()
    {
        if (settings.Tunnel == TunnelMode.No)
        {
            return true;
        }

        if (client.IsHostKeyUnsafe)
        {
            log.Write(OpenSshLogLevel.Error, "Tunnel forwarding is disabled to avoid man-in-the-middle attacks.");
            if (settings.ExitOnForwardFailure)
            {
                log.Write(OpenSshLogLevel.Error, "Error: forwarding disabled due to host key check failure");
            }

            return !settings.ExitOnForwardFailure;
        }

        log.Write(OpenSshLogLevel.Debug1, $"Requesting tun unit {settings.TunnelDevice.Local} in mode {(settings.Tunnel == TunnelMode.Ethernet ? 2 : 1)}");
        try
        {
            _device = TunnelInterface.Open(settings.Tunnel, settings.TunnelDevice.Local);
        }
        catch (SshException e)
        {
            log.Write(OpenSshLogLevel.Debug1, $"sys_tun_open: {e.Message}");
            log.Write(OpenSshLogLevel.Error, "Tunnel device open failed.");
            foreach (var line in ErrorReporter.Hints($"{e.Message}, on this side.\n{e.Hint}".TrimEnd()))
            {
                log.Write(OpenSshLogLevel.Error, line);
            }

            log.Write(OpenSshLogLevel.Error, "Could not request tunnel forwarding.");
            return !settings.ExitOnForwardFailure;
        }

        Name = _device.Name;
        log.Write(OpenSshLogLevel.Debug1, $"Tunnel forwarding using interface {Name}");
        return true;
    }

    /// <summary>Asks the server. False as with <see cref="Open"/>.</summary>
    public async Task<bool> RequestAsync(CancellationToken cancellationToken)
    {
        if (_device is not { } device)
        {
            return true;
        }

        _device = null; // it is the client's from here on
        try
        {
            await client.ForwardTunnelAsync(device, settings.TunnelDevice.Remote, cancellationToken).ConfigureAwait(false);
            log.Write(OpenSshLogLevel.Debug1, $"ssh_tun_confirm: tunnel forward established over {Name}");
            return true;
        }
        catch (SshException e) when (e.Error == SshError.ChannelOpenFailed)
        {
            log.Write(OpenSshLogLevel.Info, e.Message);
            log.Write(OpenSshLogLevel.Error, "Tunnel forwarding failed");
            foreach (var line in ErrorReporter.Hints(e.Hint))
            {
                log.Write(OpenSshLogLevel.Error, line);
            }

            return !settings.ExitOnForwardFailure;
        }
    }

    /// <summary>Closes a device that no request took.</summary>
    public void Close() => _device?.Dispose();
}
