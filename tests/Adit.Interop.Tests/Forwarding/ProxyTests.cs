using System.Security.Cryptography;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>The programs that people use a SOCKS proxy with, through -D and through -R with a port alone.</summary>
public sealed class ProxyTests
{
    public static TheoryData<string, Peer, Peer> Ways => new()
    {
        { "-D", Peer.Adit, Peer.Adit },
        { "-D", Peer.Adit, Peer.OpenSsh },
        { "-D", Peer.OpenSsh, Peer.Adit },
        { "-R", Peer.Adit, Peer.Adit },
        { "-R", Peer.Adit, Peer.OpenSsh },
        { "-R", Peer.OpenSsh, Peer.Adit },
    };

    /// <summary>Those where our client is the proxy.</summary>
    public static TheoryData<string, Peer, Peer> OurWays => new()
    {
        { "-D", Peer.Adit, Peer.Adit },
        { "-D", Peer.Adit, Peer.OpenSsh },
        { "-R", Peer.Adit, Peer.Adit },
        { "-R", Peer.Adit, Peer.OpenSsh },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public Task Curl_by_every_kind_of_SOCKS(string way, Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        string www = CreateSite(lab);
        byte[] file = RandomNumberGenerator.GetBytes(1_000_003);
        await File.WriteAllBytesAsync(Path.Combine(www, "file"), file);
        FarEnd far = await FarEnd.CreateAsync(lab, way, client, server, www);
        (string Option, string Host)[] rows =
        [
            ("--socks5-hostname", FarEnd.Name), ("--socks5-hostname", FarEnd.Address), ("--socks5", FarEnd.Address),
            ("--socks4a", FarEnd.Name), ("--socks4", FarEnd.Address),
            ("--socks5-hostname", FarEnd.Name6), ("--socks5-hostname", $"[{FarEnd.Address6}]"), ("--socks5", $"[{FarEnd.Address6}]"), ("--socks4a", FarEnd.Name6),
        ];
        await Task.WhenAll(rows.Select(async (row, i) =>
        {
            string copy = lab.Folder[$"copy{i}"];
            await far.MustNearAsync("curl", "-sS", "--fail", "-g", "--max-time", "60", "-o", copy, row.Option, $"127.0.0.1:{far.Socks}", $"http://{row.Host}:{far.Web}/file");
            AssertSame(file, copy);
        }));
    });

    // OpenSSH's client says yes to everybody and then hangs up; ours says what became of it.
    [Theory]
    [MemberData(nameof(OurWays))]
    public Task Curl_is_told_why_not(string way, Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        FarEnd far = await FarEnd.CreateAsync(lab, way, client, server, CreateSite(lab));
        int closed = Net.FreePort();
        // A connection that cannot even be begun is nothing but "open failed" at OpenSSH's server: SOCKS's general failure then.
        bool vague = way == "-D" && server == Peer.OpenSsh;
        (string Option, string Host, string Words)[] rows =
        [
            ("--socks5-hostname", FarEnd.Name, $"SOCKS5 connection to {FarEnd.Name}. (5)"), // connection refused
            ("--socks5", FarEnd.Address, $"SOCKS5 connection to {FarEnd.Address}. (5)"),
            ("--socks5-hostname", $"[{FarEnd.Address6}]", $"SOCKS5 connection to {FarEnd.Address6}. (5)"),
            ("--socks5-hostname", "nobody.test", "SOCKS5 connection to nobody.test. (4)"), // host unreachable: SOCKS has no other word for unknown
            ("--socks5-hostname", FarEnd.UnreachableHost, $"SOCKS5 connection to {FarEnd.UnreachableHost}. ({(vague ? 1 : 4)})"),
            ("--socks5-hostname", FarEnd.UnreachableNetwork, $"SOCKS5 connection to {FarEnd.UnreachableNetwork}. ({(vague ? 1 : 3)})"), // network unreachable
            ("--socks4a", "nobody.test", "(91), request rejected or failed."),
            ("--socks4", FarEnd.Address, "(91), request rejected or failed."),
        ];
        await Task.WhenAll(rows.Select(async row =>
        {
            ProcessResult result = await far.NearAsync("curl", "-sS", "-g", "--max-time", "30", row.Option, $"127.0.0.1:{far.Socks}", $"http://{row.Host}:{closed}/");
            Assert.Equal(97, result.ExitCode); // a proxy handshake error
            Assert.Contains(row.Words, result.FirstErrorLine, StringComparison.Ordinal);
        }));
    });

    // A style sheet, scripts (one of 2 MB) and forty pictures, all of which the page itself checks.
    [Theory]
    [MemberData(nameof(Ways))]
    public Task Chromium_shows_a_page(string way, Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("chromium");
        const int Pictures = 40;
        string www = CreateSite(lab);
        string text = Convert.ToHexString(RandomNumberGenerator.GetBytes(1_000_000));
        lab.Folder.Write("www/style.css", "#mark { color: rgb(1, 2, 3) }");
        lab.Folder.Write("www/big.js", $"window.big = '{text}'");
        for (int i = 0; i < Pictures; i++)
        {
            lab.Folder.Write($"www/{i}.svg", $"<svg xmlns='http://www.w3.org/2000/svg' width='{i + 1}' height='5'></svg>");
        }

        lab.Folder.Write("www/index.html", $$"""
            <!DOCTYPE html><meta charset=utf-8><title>far</title><link rel=icon href=data:,><link rel=stylesheet href=style.css><script src=big.js></script>
            <p id=mark>daylight at the far end</p>
            {{string.Concat(Enumerable.Range(0, Pictures).Select(i => $"<img src={i}.svg>"))}}
            <script>
              let failed = 0;
              for (const image of document.images) image.onerror = () => failed++;
              onload = () => {
                let sum = 0;
                for (const c of big) sum = (sum * 31 + c.charCodeAt(0)) | 0;
                const widths = [...document.images].map(image => image.naturalWidth);
                document.body.dataset.seen = [getComputedStyle(mark).color, big.length, sum, widths, failed].join('; ');
              }
            </script>
            """);
        FarEnd far = await FarEnd.CreateAsync(lab, way, client, server, www);
        string page = await far.MustNearAsync(
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=" + lab.Folder["chromium"], $"--proxy-server=socks5://127.0.0.1:{far.Socks}",
            "--dump-dom", $"http://{FarEnd.Name}:{far.Web}/");
        int sum = text.Aggregate(0, (so, c) => unchecked((so * 31) + c));
        Assert.Contains("daylight at the far end", page, StringComparison.Ordinal);
        string widths = string.Join(',', Enumerable.Range(1, Pictures));
        Assert.Contains($"data-seen=\"rgb(1, 2, 3); {text.Length}; {sum}; {widths}; 0\"", page, StringComparison.Ordinal);
    });

    // A program that knows nothing of proxies: its connect() and its lookups are caught.
    [Theory]
    [MemberData(nameof(Ways))]
    public Task Proxychains_makes_any_program_use_it(string way, Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("proxychains4");
        string www = CreateSite(lab);
        FarEnd far = await FarEnd.CreateAsync(lab, way, client, server, www);
        foreach (string kind in new[] { "socks5", "socks4" })
        {
            string config = lab.Folder.Write($"{kind}.conf", $"strict_chain\nproxy_dns\nremote_dns_subnet 224\n[ProxyList]\n{kind} 127.0.0.1 {far.Socks}\n");
            string said = await far.MustNearAsync("proxychains4", "-q", "-f", config, Machine.Tool("curl"), "-sS", "--fail", "--max-time", "30", $"http://{FarEnd.Name}:{far.Web}/hello");
            Assert.Equal("hello from there\n", said);
        }
    });

    [Theory]
    [MemberData(nameof(Ways))]
    public Task Git_clones(string way, Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("git");
        string www = CreateSite(lab), work = await Repository.CreateAsync(lab, www), copy = lab.Folder["copy"];
        FarEnd far = await FarEnd.CreateAsync(lab, way, client, server, www);
        await far.MustNearAsync("git", "-c", $"http.proxy=socks5h://127.0.0.1:{far.Socks}", "clone", "-q", $"http://{FarEnd.Name}:{far.Web}/repo.git", copy);
        await Route.ShellAsync(lab, $"cmp {copy}/numbers {work}/numbers");
    });

    // Passive FTP: a second connection, to a port that the server names in the first.
    [Theory]
    [MemberData(nameof(Ways))]
    public Task Ftp_with_its_passive_data_connections(string way, Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        string python = Machine.Python("pyftpdlib");
        string www = CreateSite(lab);
        byte[] file = RandomNumberGenerator.GetBytes(5_000_001);
        await File.WriteAllBytesAsync(Path.Combine(www, "file"), file);
        FarEnd far = await FarEnd.CreateAsync(lab, way, client, server, www);
        int port = Net.FreePort();
        string[] command = [.. far.Prefix, python, "-W", "ignore", "-m", "pyftpdlib", "-w", "-i", FarEnd.Address, "-p", Daemons.Text(port), "-d", www];
        await Net.WaitForListenerAsync(lab.Start("ftp", command[0], command[1..]), port, lab.Deadline);

        string copy = lab.Folder["copy"];
        string[] curl = ["-sS", "--max-time", "60", "--socks5-hostname", $"127.0.0.1:{far.Socks}"];
        await far.MustNearAsync("curl", [.. curl, "--ftp-pasv", "-o", copy, $"ftp://{FarEnd.Name}:{port}/file"]); // EPSV
        AssertSame(file, copy);
        await far.MustNearAsync("curl", [.. curl, "--disable-epsv", "-T", copy, $"ftp://{FarEnd.Name}:{port}/uploaded"]); // PASV
        AssertSame(file, Path.Combine(www, "uploaded"));
    });

    private static void AssertSame(byte[] expected, string path) =>
        Assert.True(expected.AsSpan().SequenceEqual(File.ReadAllBytes(path)), $"{Path.GetFileName(path)} is another file");

    private static string CreateSite(Lab lab)
    {
        Directory.CreateDirectory(lab.Folder["www"]);
        lab.Folder.Write("www/hello", "hello from there\n");
        return lab.Folder["www"];
    }
}
