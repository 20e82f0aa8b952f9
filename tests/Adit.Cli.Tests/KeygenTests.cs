using System.Diagnostics;
using System.Text;
using Adit.Cli.Commands;
using Adit.Ssh.Keys;

namespace Adit.Cli.Tests;

public sealed class KeygenTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adit-keygen-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    private static async Task<Dialog> RunAsync(string arguments, params string?[] answers)
    {
        var dialog = new Dialog(answers);
        string[] words = [.. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(w => w == "''" ? "" : w)];
        dialog.Code = await KeygenCommand.RunAsync(words, dialog);
        Assert.Empty(dialog.Answers);
        return dialog;
    }

    private string SshKeygen(params string[] arguments)
    {
        var start = new ProcessStartInfo("ssh-keygen", arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _folder };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"ssh-keygen {string.Join(' ', arguments)}: {output}{error.Result}");
        return output;
    }

    [Theory]
    [InlineData("", "256", "ED25519", "ed25519")]
    [InlineData("-ted25519", "256", "ED25519", "ed25519")]
    [InlineData("-t ecdsa", "256", "ECDSA", "ecdsa")]
    [InlineData("-t ecdsa -b 384", "384", "ECDSA", "ecdsa")]
    [InlineData("-tecdsa -b521", "521", "ECDSA", "ecdsa")]
    [InlineData("-t rsa -b 2048", "2048", "RSA", "rsa")]
    public async Task Makes_a_key_that_ssh_keygen_reads_and_says_what_ssh_keygen_says(string type, string bits, string typeName, string shortName)
    {
        string file = At("key");
        var said = await RunAsync($"{type} -N '' -C me@here -f {file}");
        Assert.Equal(0, said.Code);
        string shown = SshKeygen("-lv", "-f", file);
        Assert.StartsWith($"{bits} SHA256:", shown);
        Assert.EndsWith($"me@here ({typeName})", shown.Split('\n')[0]);
        string fingerprint = shown.Split(' ')[1];
        string art = shown[(shown.IndexOf('\n') + 1)..];
        Assert.Equal(
            $"Generating public/private {shortName} key pair.\nYour identification has been saved in {file}\nYour public key has been saved in {file}.pub\n" +
            $"The key fingerprint is:\n{fingerprint} me@here\nThe key's randomart image is:\n{art}", said.Output);
        Assert.Equal("", said.Errors);
        Assert.Equal(File.ReadAllText(file + ".pub"), SshKeygen("-y", "-f", file));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead, File.GetUnixFileMode(file + ".pub"));
        }
    }

    [Fact]
    public async Task Asks_for_what_it_is_not_told()
    {
        string file = At("key");
        var said = await RunAsync("", file, "secret", "sekret", "secret", "secret");
        Assert.Equal(0, said.Code);
        string prompt = $"Enter passphrase for \"{file}\" (empty for no passphrase): ";
        Assert.StartsWith("Enter file in which to save the key (", said.Prompts[0]);
        Assert.EndsWith("/.ssh/id_ed25519): ", said.Prompts[0]);
        Assert.Equal([prompt, "Enter same passphrase again: ", prompt, "Enter same passphrase again: "], said.Prompts[1..]);
        Assert.Contains("Passphrases do not match.  Try again.\n", said.Output);
        Assert.Equal(File.ReadAllText(file + ".pub"), SshKeygen("-y", "-P", "secret", "-f", file));
        Assert.EndsWith($" {Environment.UserName}@{Environment.MachineName}\n", File.ReadAllText(file + ".pub"));
    }

    [Fact]
    public async Task Overwrites_only_after_a_yes()
    {
        string file = At("key");
        File.WriteAllText(file, "precious");
        foreach (string? answer in (string?[])["n", "", null])
        {
            var refused = await RunAsync($"-q -N '' -f {file}", answer);
            Assert.Equal(1, refused.Code);
            Assert.Equal($"{file} already exists.\n", refused.Output);
            Assert.Equal(["Overwrite (y/n)? "], refused.Prompts);
            Assert.Equal("precious", File.ReadAllText(file));
        }

        var done = await RunAsync($"-q -N '' -f {file}", "y");
        Assert.Equal(0, done.Code);
        Assert.Equal(File.ReadAllText(file + ".pub"), SshKeygen("-y", "-f", file));
    }

    [Fact]
    public async Task A_link_is_followed_and_not_replaced()
    {
        Directory.CreateDirectory(At("real"));
        File.WriteAllText(At("real/key"), "old");
        File.CreateSymbolicLink(At("link"), "real/key");
        Assert.Equal(0, (await RunAsync($"-q -N '' -f {At("link")}", "y")).Code);
        Assert.NotNull(new FileInfo(At("link")).LinkTarget);
        Assert.Contains("OPENSSH PRIVATE KEY", File.ReadAllText(At("real/key")));
    }

    [Fact]
    public async Task Shows_the_public_key()
    {
        SshKeygen("-q", "-t", "ed25519", "-N", "secret", "-a", "1", "-C", "a comment", "-f", At("key"));
        var asked = await RunAsync($"-y -f {At("key")}", "secret");
        Assert.Equal(["Enter passphrase: "], asked.Prompts);
        Assert.Equal(File.ReadAllText(At("key.pub")), asked.Output);
        var told = await RunAsync($"-y -P secret -f {At("key")}");
        Assert.Equal(File.ReadAllText(At("key.pub")), told.Output);
        var wrong = await RunAsync($"-y -P wrong -f {At("key")}");
        Assert.Equal(255, wrong.Code);
        Assert.StartsWith($"Load key \"{At("key")}\": incorrect passphrase supplied to decrypt private key\n", wrong.Errors);
        var missing = await RunAsync($"-yf{At("missing")}");
        Assert.Equal(255, missing.Code);
        Assert.StartsWith($"Load key \"{At("missing")}\": No such file or directory\n", missing.Errors);
    }

    [Theory]
    [InlineData("RFC4716")]
    [InlineData("PEM")]
    [InlineData("PKCS8")]
    public async Task Changes_the_passphrase_of_any_format(string format)
    {
        string file = At("key");
        SshKeygen("-q", "-t", "ecdsa", "-m", format, "-N", "oldone", "-C", "a comment", "-f", file);
        var said = await RunAsync($"-p -a 1 -f {file}", "oldone", "newone", "newone");
        Assert.Equal(0, said.Code);
        Assert.Equal(["Enter old passphrase: ", "Enter new passphrase (empty for no passphrase): ", "Enter same passphrase again: "], said.Prompts);
        Assert.Equal("Key has comment 'a comment'\nYour identification has been saved with the new passphrase.\n", said.Output);
        Assert.Equal(File.ReadAllText(file + ".pub"), SshKeygen("-y", "-P", "newone", "-f", file));
        Assert.Equal(0, (await RunAsync($"-p -P newone -N '' -f {file}")).Code);
        Assert.Equal(File.ReadAllText(file + ".pub"), SshKeygen("-y", "-f", file));
    }

    [Fact]
    public async Task Changes_the_comment()
    {
        string file = At("key");
        SshKeygen("-q", "-t", "ed25519", "-N", "secret", "-a", "1", "-C", "old", "-f", file);
        Assert.Equal(0, (await RunAsync($"-c -P secret -C new -a 1 -f {file}")).Code);
        Assert.EndsWith(" new\n", File.ReadAllText(file + ".pub"));
        Assert.Equal(File.ReadAllText(file + ".pub"), SshKeygen("-y", "-P", "secret", "-f", file));
        Assert.Equal(1, (await RunAsync($"-c -P secret -C a\nb -f {file}")).Code);
    }

    [Fact]
    public async Task Fingerprints_of_every_kind_of_file_are_those_of_ssh_keygen()
    {
        var lines = new List<string>();
        foreach (string type in (string[])["ed25519", "ecdsa", "rsa"])
        {
            SshKeygen("-q", "-t", type, "-N", "secret", "-a", "1", "-C", $"{type} key", "-f", At(type));
            lines.Add(File.ReadAllText(At(type + ".pub")).Trim());
        }

        SshKeygen("-q", "-t", "rsa", "-b", "1024", "-m", "PEM", "-N", "secret", "-f", At("pem"));
        SshKeygen("-q", "-s", At("ed25519"), "-P", "secret", "-I", "id", At("ecdsa.pub"));
        string[] blobs = [.. lines.Select(l => string.Join(' ', l.Split(' ')[..2]))];
        File.WriteAllText(At("authorized_keys"), string.Join('\n',
            "# comment", "", lines[0], "restrict,command=\"echo \\\"x y\\\"\" " + lines[1], "nonsense", "from=\"10.0.0.1\" " + blobs[2], "ssh-ed25519 AAAA broken", ""));
        File.WriteAllText(At("known_hosts"), string.Join('\n', "host.example,10.0.0.1 " + blobs[0], "|1|abc=|def= " + blobs[1], "[host]:2222 " + lines[2], ""));
        File.WriteAllText(At("nothing"), "hello\n");

        foreach (string name in (string[])["ed25519", "ed25519.pub", "pem", "ecdsa-cert.pub", "authorized_keys", "known_hosts"])
        {
            foreach (string option in (string[])["", "-E md5", "-v"])
            {
                string[] words = option.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                Assert.Equal(SshKeygen(["-l", .. words, "-f", At(name)]), (await RunAsync($"-l {option} -f {At(name)}")).Output);
            }
        }

        var none = await RunAsync($"-lf {At("nothing")}");
        Assert.Equal(255, none.Code);
        Assert.Equal($"{At("nothing")} is not a public key file.\n", none.Errors);
        var marked = await RunAsync($"-lf {Written("ca", "@cert-authority *.example " + blobs[0])}");
        Assert.EndsWith(" *.example (ED25519)\n", marked.Output);
    }

    [Fact]
    public async Task Hosts_are_found_in_known_hosts_and_taken_out_as_ssh_keygen_does()
    {
        using var key = PrivateKey.Generate("ed25519");
        string blob = key.PublicKey.ToText();
        string content = $"# a comment\n\na.example,b.example {blob} größe\n[a.example]:2222 {blob}\n@revoked a.example {blob}\n*.example {blob}\nhashed {blob}\n";
        string ours = Written("ours", content), theirs = Written("theirs", content);
        SshKeygen("-H", "-f", theirs);
        File.Copy(theirs, ours, overwrite: true);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(ours, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);

        Assert.Equal(SshKeygen("-F", "a.example", "-f", theirs), (await RunAsync($"-F a.example -f {ours}")).Output);
        Assert.Equal(SshKeygen("-F", "[a.example]:2222", "-f", theirs), (await RunAsync($"-F [a.example]:2222 -f {ours}")).Output);
        Assert.Equal(1, (await RunAsync($"-F other -f {ours}")).Code);

        foreach (string host in (string[])["a.example", "hashed"])
        {
            string before = File.ReadAllText(ours);
            var said = await RunAsync($"-R {host} -f {ours}");
            Assert.Equal(SshKeygen("-R", host, "-f", theirs).Replace("theirs", "ours"), said.Output);
            Assert.Equal(File.ReadAllText(theirs), File.ReadAllText(ours));
            Assert.Equal(before, File.ReadAllText(ours + ".old"));
        }

        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(ours));
        string rest = File.ReadAllText(ours);
        var none = await RunAsync($"-R hashed -f {ours}");
        Assert.Equal((0, $"Host hashed not found in {ours}\n"), (none.Code, none.Errors));
        Assert.Equal(rest, File.ReadAllText(ours));
        Assert.Equal(255, (await RunAsync($"-R hashed -f {At("missing")}")).Code);
    }

    private string Written(string name, string content)
    {
        File.WriteAllText(At(name), content);
        return At(name);
    }

    // INVARIANTS 28: control characters from a file are escaped.
    [Fact]
    public async Task A_comment_cannot_steer_the_terminal()
    {
        using var key = PrivateKey.Generate("ed25519");
        File.WriteAllText(At("key.pub"), key.PublicKey.ToText("evil\u001b[2Jcomment") + "\n");
        var said = await RunAsync($"-lf {At("key.pub")}");
        Assert.Equal(0, said.Code);
        Assert.DoesNotContain('\u001b', said.Output);
    }

    [Theory]
    [InlineData("-Z")]
    [InlineData("-t")]
    [InlineData("-t dsa")]
    [InlineData("-b many")]
    [InlineData("-a 0")]
    [InlineData("-a 5000")]
    [InlineData("-l -y")]
    [InlineData("-E sha1 -l")]
    [InlineData("one two")]
    public async Task A_wrong_command_line_is_answered_with_the_usage(string arguments)
    {
        var said = await RunAsync(arguments);
        Assert.Equal(1, said.Code);
        Assert.Contains("usage: adit keygen", said.Errors);
        Assert.Equal("", said.Output);
    }

    [Theory]
    [InlineData("-t rsa -b 512", "Invalid RSA key length: minimum is 1024 bits\n")]
    [InlineData("-t ecdsa -b 255", "Invalid ECDSA key length: valid lengths are 256, 384 or 521 bits\n")]
    public async Task Sizes_that_do_not_exist_are_refused(string arguments, string message)
    {
        var said = await RunAsync($"{arguments} -N '' -f {At("key")}");
        Assert.Equal((255, message), (said.Code, said.Errors));
        Assert.False(File.Exists(At("key")));
    }

    [Fact]
    public async Task Help_tells_the_flags()
    {
        var said = await RunAsync("--help");
        Assert.Equal(0, said.Code);
        foreach (string flag in (string[])["-t", "-b", "-f", "-N", "-C", "-q", "-y", "-l", "-p"])
            Assert.Contains(flag + " ", said.Output);
    }

    [Fact]
    public async Task Nobody_to_ask_is_an_error()
    {
        var said = await RunAsync($"-q -f {At("key")}", [null]);
        Assert.Equal(255, said.Code);
        Assert.False(File.Exists(At("key")));
    }

    private sealed class Dialog(string?[] answers) : IKeygenDialog
    {
        private readonly StringBuilder _output = new();
        private readonly StringBuilder _errors = new();

        public Queue<string?> Answers { get; } = new(answers);

        public List<string> Prompts { get; } = [];

        public string Output => _output.ToString();

        public string Errors => _errors.ToString();

        public int Code { get; set; }

        public void Write(string text) => _output.Append(text);

        public void WriteError(string text) => _errors.Append(text);

        public ValueTask<string?> AskAsync(string prompt)
        {
            Prompts.Add(prompt);
            return ValueTask.FromResult(Answers.Dequeue());
        }

        public ValueTask<string?> AskSecretAsync(string prompt) => AskAsync(prompt);

        public Stream OpenInput() => new MemoryStream();
    }
}
