using Adit.Ssh.OpenSsh;

namespace Adit.Ssh.Tests.OpenSsh;

public sealed class KnownHostsWriterTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly OpenSshTestFolder _folder = new();
    private readonly string _line = $"host {TestKeys.Ed25519.ToText()}\n";

    public void Dispose() => _folder.Dispose();

    private void Append(string name) => KnownHostsWriter.Append(_folder[name], ["host"], TestKeys.Ed25519, hash: false);

    [Fact]
    public void New_files_and_folders_are_private()
    {
        Append("dot_ssh/known_hosts");
        Assert.Equal(_line, _folder.Read("dot_ssh/known_hosts"));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(_folder["dot_ssh/known_hosts"]));
        Assert.Equal(OwnerOnly | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder["dot_ssh"]));
    }

    [Fact]
    public void What_is_in_the_file_stays_byte_for_byte()
    {
        byte[] before = [0xff, 0xfe, (byte)'x', 0, (byte)'\r', (byte)'\n', (byte)'\t', (byte)'\n'];
        File.WriteAllBytes(_folder["f"], before);
        File.SetUnixFileMode(_folder["f"], OwnerOnly | UnixFileMode.GroupRead);
        Append("f");
        byte[] after = File.ReadAllBytes(_folder["f"]);
        Assert.Equal(before, after[..before.Length]);
        Assert.Equal(_line, System.Text.Encoding.UTF8.GetString(after[before.Length..]));
        Assert.Equal(OwnerOnly | UnixFileMode.GroupRead, File.GetUnixFileMode(_folder["f"]));
    }

    [Fact]
    public void A_missing_line_end_is_put_in()
    {
        _folder.Write("f", "# last");
        Append("f");
        Append("f");
        Assert.Equal($"# last\n{_line}{_line}", _folder.Read("f"));
    }

    [Fact]
    public void Links_are_followed()
    {
        _folder.Write("target", "# t\n");
        File.CreateSymbolicLink(_folder["link"], _folder["target"]);
        Append("link");
        Assert.Equal("# t\n" + _line, _folder.Read("target"));
        Assert.NotNull(new FileInfo(_folder["link"]).LinkTarget);

        File.CreateSymbolicLink(_folder["dangling"], _folder["later"]);
        Append("dangling");
        Assert.Equal(_line, _folder.Read("later"));
    }

    [Fact]
    public async Task Writers_at_the_same_time_do_not_damage_each_other()
    {
        _folder.Write("f", "# no line end");
        await Task.WhenAll(Enumerable.Range(0, 8).Select(writer => Task.Run(() =>
        {
            for (int i = 0; i < 50; i++)
                KnownHostsWriter.Append(_folder["f"], [$"w{writer}-{i}"], TestKeys.Rsa, hash: false);
        })));
        string[] lines = _folder.Read("f").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(401, lines.Length);
        Assert.Equal(400, lines.Skip(1).Select(line => line.Split(' ')[0]).Distinct().Count());
        Assert.All(lines.Skip(1), line => Assert.EndsWith(TestKeys.Rsa.ToText(), line));
    }
}
