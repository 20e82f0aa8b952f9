using Adit.Interop.Tests.Forwarding;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.DropIn;

/// <summary>Programs that start whatever is called ssh, with a link to ours first in PATH.</summary>
public sealed class ToolTests
{
    // What each of them is told is what a person would write, with nothing that points to us.
    [Fact]
    public Task Git_rsync_scp_and_sftp_take_the_link_for_ssh() => RunAsync(async (lab, scene) =>
    {
        Need.Tools("git", "rsync", "scp", "sftp");
        await scene.ShellAsync("""
            git init -q --bare far.git
            git clone -q there:$PWD/far.git near 2>/dev/null
            git -C near -c user.name=a -c user.email=a@b commit -q --allow-empty -m one
            git -C near push -q origin HEAD:main
            git clone -q ssh://there$PWD/far.git -b main again; git -C again log --format=%s | grep -qx one
            mkdir from; head -c 300000 /dev/urandom > from/a; echo b > from/b
            rsync -az from/ there:$PWD/to/; diff -r from to
            rsync -a -e ssh --delete there:$PWD/to/ back/; diff -r from back
            scp -q -S $PWD/bin/ssh from/a there:$PWD/a.scp; cmp from/a a.scp
            scp -q -S ssh there:$PWD/from/a a.got; cmp from/a a.got
            scp -q -3 -S ssh there:$PWD/from/a there:$PWD/a.between; cmp from/a a.between
            echo "put from/a a.sftp" | sftp -q -b - -S ssh there:$PWD; cmp from/a a.sftp
            """);
    });

    // A script of OpenSSH's: it tries each key, collects what the far end does not know, and adds that there over standard input.
    [Fact]
    public Task Ssh_copy_id_adds_a_key_once() => RunAsync(async (lab, scene) =>
    {
        Need.Tools("ssh-copy-id");
        KeyPair key = await Keys.MakeAsync(lab.Folder["new"]);
        // The first call finds that the new key does not log in, adds it with the agent's help, and the next finds that it is there.
        string added = await scene.ShellAsync($"eval $(ssh-agent) >/dev/null; trap 'kill $SSH_AGENT_PID' EXIT; ssh-add -q {(await Keys.UserAsync()).Path}; sed -i /IdentityFile/d {scene.Config}; sed -i s/IdentitiesOnly.*// {scene.Config}; ssh-copy-id -i new.pub there 2>&1");
        Assert.Contains("Number of key(s) added: 1", added, StringComparison.Ordinal);
        string file = scene.Home("authorized_keys");
        Assert.Equal([key.TypeAndBlob], File.ReadAllLines(file).Select(line => string.Join(' ', line.Split(' ').Take(2))));
        Assert.Contains("already exist on the remote system", await scene.ShellAsync("ssh-copy-id -i new.pub there 2>&1"), StringComparison.Ordinal);
        Assert.Single(File.ReadAllLines(file));
    });

    // ansible shares one connection: ControlMaster=auto with ControlPersist, -tt, sftp through ssh, and reads stderr.
    [Fact]
    public Task Ansible_pings_copies_and_runs() => RunAsync(async (lab, scene) =>
    {
        Need.Tools("ansible", "ansible-playbook");
        lab.Folder.Write("inventory", "there ansible_python_interpreter=/usr/bin/python3\n");
        lab.Folder.Write("data", new string('x', 100_000) + "\n");
        lab.Folder.Write("play.yml", $"""
            - hosts: there
              gather_facts: false
              tasks:
                - ping:
                - copy: src={lab.Folder["data"]} dest={lab.Folder["copied"]} mode=0600
                - shell: cat; exit 3
                  args: {"{"}stdin: from ansible{"}"}
                  register: said
                  failed_when: said.rc != 3 or said.stdout != 'from ansible'
                - raw: echo raw
            """);
        string ping = await scene.ShellAsync("ansible -i inventory all -m ping");
        Assert.Contains("\"ping\": \"pong\"", ping, StringComparison.Ordinal);
        string play = await scene.ShellAsync("ansible-playbook -i inventory play.yml; ssh -O exit -S $(ls $HOME/.ansible/cp/*) there 2>/dev/null || true");
        Assert.Contains("ok=4", play, StringComparison.Ordinal);
        Assert.Contains("failed=0", play, StringComparison.Ordinal);
        Assert.Equal(await File.ReadAllTextAsync(lab.Folder["data"]), await File.ReadAllTextAsync(lab.Folder["copied"]));
    });

    // mosh starts its server through ssh on a terminal (-tt), with a ProxyCommand of its own that tells it the address, and reads a port and a key from what the server prints.
    // Its own half here is asked for no more than what it was started with: the rest goes over UDP.
    [Fact]
    public Task Mosh_learns_port_and_key() => RunAsync(async (lab, scene) =>
    {
        Need.Tools("mosh", "mosh-server");
        string client = lab.Folder.Write("mosh-client", "#!/bin/sh\n[ \"$1\" = -c ] && { echo 8; exit; }\necho \"started with: $* key ${#MOSH_KEY}\"\n", UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string said = await scene.ShellAsync($"LC_ALL=C.UTF-8 mosh --client={client} --server='timeout 5 mosh-server' --predict=never there true");
        Assert.Matches(@"started with: (-# .*\| )?127\.0\.0\.1 \d+ key 22", said.ReplaceLineEndings(" "));
    });

    /// <summary>OpenSSH's server behind the name "there", in a home of the test's own.</summary>
    private static Task RunAsync(Func<Lab, Scene, Task> test) => Lab.RunAsync(async lab =>
    {
        Need.That(File.Exists("/bin/bash"), "bash");
        Directory.CreateDirectory(lab.Folder["home/.ssh"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Server there = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions
        {
            Lines = ["Subsystem sftp internal-sftp", "PrintMotd no", "PrintLastLog no", $"SetEnv HOME={lab.Folder["home"]}",
                $"AuthorizedKeysFile {lab.Folder["authorized_keys"]} {lab.Folder["home/.ssh/authorized_keys"]}"],
        });
        string config = await Route.WriteAsync(lab, [there], $"Host there\n    HostName 127.0.0.1\n    Port {there.Port}\n    User {there.User}\n");
        // ~ is the account's home whatever HOME says, for OpenSSH's programs and ours: the configuration comes in by a script in front of the link.
        Directory.CreateDirectory(lab.Folder["bin"]);
        Directory.CreateDirectory(lab.Folder["link"]);
        File.CreateSymbolicLink(lab.Folder["link/ssh"], Machine.Adit);
        lab.Folder.Write("bin/ssh", $"#!/bin/sh\nexec {lab.Folder["link/ssh"]} -F {config} \"$@\"\n", UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await test(lab, new Scene(lab, config));
    });

    private sealed class Scene(Lab lab, string config)
    {
        public string Config => config;

        public string Home(string name) => Path.Combine(lab.Folder["home"], ".ssh", name);

        /// <summary>Runs lines of bash in the test's folder, which have to succeed, with ours as ssh.</summary>
        public async Task<string> ShellAsync(string lines)
        {
            ProcessResult result = await lab.RunAsync("bash", "/bin/bash", ["-c", $"set -eo pipefail; cd {lab.Folder.FullPath}\n{lines}"], new Dictionary<string, string?>
            {
                ["PATH"] = $"{lab.Folder["bin"]}:{Environment.GetEnvironmentVariable("PATH")}",
                ["HOME"] = lab.Folder["home"],
                ["GIT_CONFIG_NOSYSTEM"] = "1",
                ["ANSIBLE_NOCOWS"] = "1",
                ["ANSIBLE_LOCAL_TEMP"] = lab.Folder["home"],
                ["TERM"] = "xterm",
                ["GIT_SSH_COMMAND"] = null,
                ["GIT_SSH"] = null,
            });
            Assert.True(result.ExitCode == 0, $"{lines}: {result}");
            return result.Output;
        }
    }
}
