using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace Adit.Server.Hosting;

/// <summary>An SSH server inside a .NET host.</summary>
public static class SshServerServiceCollectionExtensions
{
    /// <summary>Adds a server that starts and stops with the host. Without an authenticator nobody can log in, without a policy nothing is forwarded:
    /// <see cref="SshServerBuilder.AddAuthenticator{T}"/>, <see cref="SshServerBuilder.AddForwardingPolicy{T}"/>. The host does not start when no address can be bound.</summary>
    public static SshServerBuilder AddSshServer(this IServiceCollection services, Action<SshServerOptions>? configure = null)
    {
        services.TryAddSingleton(SshdConfig.Default);
        services.TryAddSingleton(provider => new LiveSshdConfig(provider.GetRequiredService<SshdConfig>()));
        if (OperatingSystem.IsLinux())
        {
            services.TryAddSingleton<IUserDatabase, SystemUsers>();
        }

        var builder = new SshServerBuilder(services);
        if (configure is not null)
        {
            builder.Configure(configure);
        }

        services.AddSingleton(builder.GetService);
        services.AddSingleton<IHostedService>(builder.GetService);
        return builder;
    }
}
