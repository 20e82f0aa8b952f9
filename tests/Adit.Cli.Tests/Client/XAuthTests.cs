using System.Text;
using Adit.Cli.Client;
using Adit.Cli.Diagnostics;
using Adit.Interop.Tests.Harness;

namespace Adit.Cli.Tests.Client;

/// <summary>What xauth is asked, and what is made of its answers.</summary>
public sealed class XAuthTests : IDisposable
{
    private const string Cookie = "00112233445566778899aabbccddeeff";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("adit-cli-");
    private readonly StringBuilder _written = new();
    private readonly LogOutput _log;

    public XAuthTests() => _log = new LogOutput(text => _written.Append(text)) { Level = OpenSshLogLevel.Debug1 };

    private string Calls => Path.Combine(_folder.FullName, "calls");

    public void Dispose()
    {
        _log.Dispose();
        _folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("vm/unix:0  MIT-MAGIC-COOKIE-1  00ff\n", "MIT-MAGIC-COOKIE-1", "00FF")]
    [InlineData("vm/unix:0  XDM-AUTHORIZATION-1  1122\nvm/unix:0  MIT-MAGIC-COOKIE-1  00ff\n", "MIT-MAGIC-COOKIE-1", "00FF")]
    [InlineData("vm/unix:0  XDM-AUTHORIZATION-1  1122\nvm/unix:0  SUN-DES-1  33\n", "XDM-AUTHORIZATION-1", "1122")]
    [InlineData("nonsense\nvm/unix:0\tMIT-MAGIC-COOKIE-1\tAbCd\r\n", "MIT-MAGIC-COOKIE-1", "ABCD")]
    public void The_first_usable_line_counts(string text, string protocol, string data)
    {
        var entry = XAuthEntry.Parse(text);
        Assert.NotNull(entry);
        Assert.Equal((protocol, data), (entry.Protocol, Convert.ToHexString(entry.Data)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n\n")]
    [InlineData("vm/unix:0  MIT-MAGIC-COOKIE-1\n")]
    [InlineData("vm/unix:0  MIT-MAGIC-COOKIE-1  00f\n")]
    [InlineData("vm/unix:0  MIT-MAGIC-COOKIE-1  00fg\n")]
    [InlineData("vm/unix:0  MIT-MAGIC-COOKIE-1  \"00\"\n")]
    [InlineData("vm/unix:0  MIT$(id)  00ff\n")]
    [InlineData("vm/unix:0  a name  00ff\n")]
    public void What_is_no_cookie_is_none(string text) => Assert.Null(XAuthEntry.Parse(text));

    [Fact]
    public void A_cookie_without_end_is_none() => Assert.Null(XAuthEntry.Parse($"vm/unix:0  MIT-MAGIC-COOKIE-1  {new string('a', 512)}\n"));

    [Theory]
    [InlineData(":0", ":0")]
    [InlineData("localhost:10.0", "unix:10.0")] // this machine's cookies go by that name
    [InlineData("other:1", "other:1")]
    public async Task The_persons_own_file_is_asked_for_the_display(string display, string name)
    {
        var xauth = new XAuth(Script($"echo 'vm/unix:0  MIT-MAGIC-COOKIE-1  {Cookie}'"), _log);
        var entry = await xauth.ListAsync(display, default).WaitAsync(Deadline);
        Assert.Equal(Cookie, Convert.ToHexStringLower(entry!.Data));
        Assert.Equal([$"list {name}"], await File.ReadAllLinesAsync(Calls));
    }

    [Theory]
    [InlineData(1200, " timeout 1260")]
    [InlineData(uint.MaxValue, " timeout 4294967295")]
    [InlineData(0, "")]
    public async Task An_untrusted_cookie_is_made_in_a_folder_that_is_gone_afterwards(long seconds, string timeout)
    {
        var xauth = new XAuth(Script($"[ -d \"$(dirname \"$2\")\" ] && stat -c %a \"$(dirname \"$2\")\" >> '{Calls}.mode'; [ $3 = list ] && echo 'x  MIT-MAGIC-COOKIE-1  {Cookie}'; touch \"$2\""), _log);
        var entry = await xauth.GenerateAsync("localhost:10.0", seconds == 0 ? null : TimeSpan.FromSeconds(seconds), default).WaitAsync(Deadline);
        Assert.Equal(Cookie, Convert.ToHexStringLower(entry!.Data));
        var calls = await File.ReadAllLinesAsync(Calls);
        var file = calls[0].Split(' ')[1];
        Assert.Equal([$"-f {file} generate unix:10.0 MIT-MAGIC-COOKIE-1 untrusted{timeout}", $"-f {file} list unix:10.0"], calls);
        Assert.Equal(["700", "700"], await File.ReadAllLinesAsync(Calls + ".mode"));
        Assert.False(Directory.Exists(Path.GetDirectoryName(file)));
    }

    [Fact]
    public async Task Without_one_made_none_is_read()
    {
        var xauth = new XAuth(Script($"echo 'x  MIT-MAGIC-COOKIE-1  {Cookie}'; echo 'no such extension' >&2; exit 1"), _log);
        Assert.Null(await xauth.GenerateAsync(":0", TimeSpan.FromMinutes(20), default).WaitAsync(Deadline));
        var call = Assert.Single(await File.ReadAllLinesAsync(Calls));
        Assert.False(Directory.Exists(Path.GetDirectoryName(call.Split(' ')[1])));
        Assert.Contains("debug1: xauth: no such extension", _written.ToString(), StringComparison.Ordinal);
        Assert.Null(await xauth.ListAsync(":0", default).WaitAsync(Deadline));
    }

    [Fact]
    public async Task Output_without_end_is_read_and_not_kept()
    {
        var xauth = new XAuth(Script($"echo 'x  MIT-MAGIC-COOKIE-1  {Cookie}'; head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"), _log);
        Assert.NotNull(await xauth.ListAsync(":0", default).WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_program_that_does_not_end_is_not_waited_for()
    {
        using var ending = new CancellationTokenSource();
        var running = new XAuth(Script("exec sleep 1000"), _log).ListAsync(":0", ending.Token);
        await ending.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_program_that_is_none_is_no_answer()
    {
        var file = Path.Combine(_folder.FullName, "data");
        await File.WriteAllTextAsync(file, "x");
        Assert.Null(await new XAuth(file, _log).ListAsync(":0", default).WaitAsync(Deadline));
    }

    /// <summary>A program that notes its arguments.</summary>
    private string Script(string body)
    {
        var path = Path.Combine(_folder.FullName, "xauth");
        ScriptFile.Write(path, $"#!/bin/sh\necho \"$*\" >> '{Calls}'\n{body}\n");
        return path;
    }
}
