using Adit.Cli.Commands;
using Adit.Cli.Diagnostics;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Transport;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>What ssh_config says about host keys, as the library takes it.</summary>
internal static class HostKeySettings
{
    /// <param name="config">The destination's.</param>
    /// <param name="log">Where lines go.</param>
    /// <param name="confirm">Asks a person; null where nobody may be asked.</param>
    public static KnownHostsOptions KnownHostsOptions(SshConfigValues config, LogOutput log, Func<string, CancellationToken, ValueTask<string?>>? confirm)
    {
        var options = Adit.Ssh.OpenSsh.KnownHostsOptions.FromConfig(config);
        options.CASignatureAlgorithms = AlgorithmSettings.CertificateAuthority(config, log);
        options.Confirm = confirm;
        options.Logger = new OpenSshLoggerProvider(log).CreateLogger(nameof(KnownHosts));
        if (config.Get(Keywords.VisualHostKey))
        {
            var md5 = options.FingerprintHash == "MD5";
            options.Draw = key => KeygenRandomArt.Draw(key, md5);
        }

        if (config.Get(Keywords.KnownHostsCommand) is { Length: > 0 } command && !command.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            options.Command = new KnownHostsCommand(command, config, log).Run;
        }

        return options;
    }

    public static HostKeyRules Verifier(SshConfigValues config, KnownHostsOptions options) =>
        new(KnownHosts.OpenSsh(options), AlgorithmSettings.IsFixedOrder(config.Get(Keywords.HostKeyAlgorithms)), config.Get(Keywords.RequiredRsaSize));

    /// <summary>Null where UpdateHostKeys says no, or would have to ask where nobody can be asked.</summary>
    public static IHostKeyUpdater? Updater(SshConfigValues config, KnownHostsOptions options) => config.UpdateHostKeys switch
    {
        YesNoAsk.Yes => KnownHosts.Updater(options, ask: false, config.Get(Keywords.RequiredRsaSize)),
        YesNoAsk.Ask when options.Confirm is not null => KnownHosts.Updater(options, ask: true, config.Get(Keywords.RequiredRsaSize)),
        _ => null,
    };
}
