using System.Globalization;

namespace Adit.Interop.Tests.Harness;

/// <summary>Real services, each with its own folder and port on loopback.</summary>
internal static class Daemons
{
    public static async Task<int> StartRedisAsync(this Lab lab)
    {
        int port = Net.FreePort();
        ManagedProcess process = lab.Start(
            "redis-server",
            Machine.Tool("redis-server"),
            ["--port", Text(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", lab.Folder.FullPath]);
        await Net.WaitForListenerAsync(process, port, lab.Deadline);
        return port;
    }

    /// <summary>nginx that serves the files of <paramref name="folder"/>; <paramref name="listenAddress"/> may be several, separated by spaces.</summary>
    public static async Task<int> StartNginxAsync(this Lab lab, string folder, string listenAddress = "127.0.0.1", IReadOnlyList<string>? prefix = null)
    {
        int port = Net.FreePort();
        string home = lab.Folder["nginx"];
        Directory.CreateDirectory(home);
        string config = lab.Folder.Write("nginx.conf", $$"""
            daemon off;
            master_process off;
            pid {{home}}/pid;
            error_log stderr warn;
            {{(Machine.IsRoot ? "user root;" : "")}}
            events { worker_connections 512; }
            http {
                access_log off;
                sendfile on;
                types { text/html html; text/css css; text/javascript js; image/svg+xml svg; }
                client_body_temp_path {{home}}/body;
                proxy_temp_path {{home}}/proxy;
                fastcgi_temp_path {{home}}/fastcgi;
                uwsgi_temp_path {{home}}/uwsgi;
                scgi_temp_path {{home}}/scgi;
                server { {{string.Concat(listenAddress.Split(' ').Select(address => $"listen {address}:{port}; "))}}root {{folder}}; }
            }
            """);
        string[] command = [.. prefix ?? [], Machine.Tool("nginx"), "-e", "stderr", "-p", home, "-c", config];
        ManagedProcess process = lab.Start("nginx", command[0], command[1..]);
        await Net.WaitForListenerAsync(process, port, lab.Deadline);
        return port;
    }

    /// <summary>A fresh PostgreSQL cluster with the superuser "postgres", trusted on loopback. As root it runs as the user postgres, since it refuses root.</summary>
    /// <param name="lab">The test.</param>
    /// <param name="sockets">A folder for a Unix socket too, over which everybody has to be who the kernel says (peer).</param>
    public static async Task<int> StartPostgresAsync(this Lab lab, string? sockets = null)
    {
        string initdb = Machine.Tool("initdb"), postgres = Machine.Tool("postgres");
        string data = lab.Folder["postgres"];
        Directory.CreateDirectory(data);
        string[] asPostgres = [];
        if (Machine.IsRoot)
        {
            Need.Tools("runuser");
            Need.That(File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal)), "the user postgres");
            File.SetUnixFileMode(
                lab.Folder.FullPath,
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
            await lab.MustAsync(Machine.Tool("chown"), "postgres:", data);
            asPostgres = [Machine.Tool("runuser"), "-u", "postgres", "--"];
        }

        string[] init = [.. asPostgres, initdb, "-D", data, "-U", "postgres", "--auth-host=trust", sockets is null ? "--auth-local=trust" : "--auth-local=peer", "--no-sync", "--no-locale", "-E", "UTF8"];
        await lab.MustAsync(init[0], init[1..]);
        int port = Net.FreePort();
        string[] run =
        [
            .. asPostgres, postgres, "-D", data, "-p", Text(port), "-c", "listen_addresses=127.0.0.1",
            "-c", "unix_socket_directories=" + sockets, "-c", "fsync=off", "-c", "shared_buffers=32MB",
        ];
        ManagedProcess process = lab.Start("postgres", run[0], run[1..]);
        await process.WaitForLineAsync("database system is ready to accept connections", lab.Deadline);
        return port;
    }

    public static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
