using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Sessions;

/// <summary>Much data, and the tools that bring their own protocol over a session.</summary>
public sealed class ClientStreamTests
{
    [Fact]
    public Task A_gibibyte_goes_both_ways_unharmed() => Lab.RunAsync(async lab =>
    {
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        string file = lab.Folder["data"];
        await lab.MustAsync("/bin/sh", "-c", $"head -c 67108864 /dev/urandom > {file}.part; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo $i; cat {file}.part; done | head -c 1073741824 > {file}");
        ProcessResult result = await scene.ShellAsync(Peer.Adit, $"sha256sum < {file}; ${{ssh[@]}} there cat < {file} | sha256sum");
        string[] sums = result.Output.Split('\n');
        Assert.Equal(sums[0], sums[1]);
    });

    // The reader is slow: nothing may be lost, and nothing may be held but what windows and pipes hold.
    [Fact]
    public Task A_slow_reader_gets_everything() => Lab.RunAsync(async lab =>
    {
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        ProcessResult result = await scene.ShellAsync(Peer.Adit, "${ssh[@]} there 'seq 2000000' </dev/null | (sleep 1; sha256sum); seq 2000000 | sha256sum");
        string[] sums = result.Output.Split('\n');
        Assert.Equal(sums[1], sums[0]);
    });

    [Fact]
    public Task Sftp_scp_and_git_work_over_it() => Lab.RunAsync(async lab =>
    {
        Need.Tools("sftp", "scp", "git");
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        string ssh = scene.Link(), folder = lab.Folder.FullPath;
        ProcessResult result = await scene.ShellAsync(Peer.Adit, $"""
            set -e; cd {folder}; head -c 3000000 /dev/urandom > data
            sftp -q -S {ssh} -F {scene.Config} there:{folder}/data sftp.got; cmp data sftp.got
            echo 'put data sftp.put' | sftp -q -b - -S {ssh} -F {scene.Config} there:{folder}; cmp data sftp.put
            scp -q -S {ssh} -F {scene.Config} data there:{folder}/scp.put; cmp data scp.put
            scp -O -q -S {ssh} -F {scene.Config} there:{folder}/data scp.got; cmp data scp.got
            git init -q --bare far.git
            export GIT_SSH_COMMAND='{ssh} -F {scene.Config}'
            git clone -q there:{folder}/far.git near; cd near
            git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one
            git push -q origin HEAD:main; git ls-remote origin main | grep -q refs/heads/main
            """);
        Assert.True(result.ExitCode == 0, result.ToString());
    });

    [Fact]
    public Task Rsync_works_over_it() => Lab.RunAsync(async lab =>
    {
        Need.Tools("rsync");
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        string folder = lab.Folder.FullPath;
        ProcessResult result = await scene.ShellAsync(Peer.Adit, $"""
            set -e; cd {folder}; mkdir from; head -c 3000000 /dev/urandom > from/a; echo b > from/b
            rsync -a -e '{Machine.Adit} ssh -F {scene.Config}' from/ there:{folder}/to/; diff -r from to
            rsync -a -e '{scene.Link()} -F {scene.Config}' there:{folder}/from/ back/; diff -r from back
            """);
        Assert.True(result.ExitCode == 0, result.ToString());
    });

    // Whatever the runtime opened first would have their numbers: its random numbers were sent as standard input, without end.
    [Theory]
    [InlineData("<&-")]
    [InlineData(">&-")]
    [InlineData("2>&-")]
    [InlineData("<&- >&- 2>&-")]
    public Task Standard_streams_that_are_closed_are_empty(string closed) => Lab.RunAsync(async lab =>
    {
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        string line = $"timeout 20 ${{ssh[@]}} there 'wc -c; echo error >&2; exit 3' {closed}; echo $?";
        ProcessResult expected = await scene.ShellAsync(Peer.OpenSsh, line), actual = await scene.ShellAsync(Peer.Adit, line);
        Assert.EndsWith("3\n", expected.Output, StringComparison.Ordinal);
        Assert.Equal((expected.Output, expected.Errors), (actual.Output, actual.Errors));
    });

    // However soon the program ends: a loop over a list that lacks -n ends after its first round with both.
    [Fact]
    public Task A_short_command_takes_what_its_input_holds() => Lab.RunAsync(async lab =>
    {
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        const string line = "for i in 1 2 3 4 5; do printf 'a\nb\nc\n' | while read -r x; do ${ssh[@]} there \"echo $x\"; done; done; printf 'a\nb\n' | while read -r x; do ${ssh[@]} -n there \"echo $x\"; done";
        ProcessResult expected = await scene.ShellAsync(Peer.OpenSsh, line), actual = await scene.ShellAsync(Peer.Adit, line);
        Assert.Equal("a\na\na\na\na\na\nb\n", expected.Output);
        Assert.Equal(expected.Output, actual.Output);
    });
}
