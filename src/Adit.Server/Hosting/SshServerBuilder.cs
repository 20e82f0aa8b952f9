using System.Diagnostics.CodeAnalysis;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Policy;
using Adit.Server.Service;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Hosting;

/// <summary>Says how the server of <see cref="SshServerServiceCollectionExtensions.AddSshServer"/> is set up.</summary>
public sealed class SshServerBuilder
{
    private readonly List<Action<SshServerOptions, IServiceProvider>> _configure = [];

    private readonly Lock _lock = new();
    private SshServerService? _service;

    internal SshServerBuilder(IServiceCollection services) => Services = services;

    public IServiceCollection Services { get; }

    /// <summary>How long connections may go on when the host stops, before they are ended. The host's own time limit for stopping counts too.</summary>
    public TimeSpan DrainTime { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Changes the options; called once, in the order of the calls, when the host starts.</summary>
    public SshServerBuilder Configure(Action<SshServerOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        _configure.Add((options, _) => configure(options));
        return this;
    }

    /// <summary>Who may log in.</summary>
    public SshServerBuilder AddAuthenticator<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] T>()
        where T : class, IUserAuthenticator
    {
        Services.AddSingleton<IUserAuthenticator, T>();
        return this;
    }

    /// <summary>What may be forwarded.</summary>
    public SshServerBuilder AddForwardingPolicy<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] T>()
        where T : class, IForwardingPolicy
    {
        Services.AddSingleton<IForwardingPolicy, T>();
        return this;
    }

    /// <summary>Takes addresses, host keys, algorithms, users and permissions from an sshd_config(5) file. An authenticator or policy that was added goes before what
    /// the file says. Throws <see cref="SshException"/> here and now when the file is bad.</summary>
    public SshServerBuilder UseSshdConfig(string path) => UseSshdConfig(SshdConfig.Load(path));

    /// <inheritdoc cref="UseSshdConfig(string)"/>
    public SshServerBuilder UseSshdConfig(SshdConfig config)
    {
        Services.Replace(ServiceDescriptor.Singleton(config));
        Services.TryAddSingleton<IUserAuthenticator, AuthorizedKeysAuthenticator>();
        Services.TryAddSingleton<IForwardingPolicy, ServerForwardingPolicy>();
        Services.TryAddSingleton<IUnixSocketOpener, UserUnixSockets>();
        _configure.Add((options, provider) =>
        {
            var logger = provider.GetRequiredService<ILoggerFactory>().CreateLogger("Adit.Server");
            SshdOptions.Apply(config, options, logger);
            foreach (var key in HostKeyFiles.Load(config, logger))
            {
                options.HostKeys.Add(key);
            }
        });
        return this;
    }

    /// <summary>A host may have several servers, each with a service of its own.</summary>
    internal SshServerService GetService(IServiceProvider provider)
    {
        lock (_lock)
        {
            return _service ??= new SshServerService(this, provider);
        }
    }

    internal SshServerOptions Build(IServiceProvider provider)
    {
        var options = new SshServerOptions
        {
            LoggerFactory = provider.GetRequiredService<ILoggerFactory>(),
            TimeProvider = provider.GetService<TimeProvider>() ?? TimeProvider.System,
        };
        foreach (var configure in _configure)
        {
            configure(options, provider);
        }

        options.Authenticator ??= provider.GetService<IUserAuthenticator>();
        options.ForwardingPolicy ??= provider.GetService<IForwardingPolicy>();
        options.UnixSockets ??= provider.GetService<IUnixSocketOpener>();
        return options;
    }
}
