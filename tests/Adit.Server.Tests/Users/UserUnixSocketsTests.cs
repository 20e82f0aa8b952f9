using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Tests.Support;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Authentication;

namespace Adit.Server.Tests.Users;

/// <summary>INVARIANTS 25: root opens Unix sockets for its users with their identity and nothing more. User ids need no account to the kernel.</summary>
[Collection("threads with a user's identity")] // one of them looks at all threads
public sealed class UserUnixSocketsTests : IDisposable
{
    private const uint AliceUid = 54321, AliceGid = 54322, SharedGid = 54323, BobUid = 54331;
    private const int SocketLevel = 1, PeerCredentials = 17, PeerGroups = 59;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly TempFolder _folder = new();
    private readonly FakeUsers _users = new() { ProcessUid = new SystemUsers().ProcessUid };
    private readonly CapturingLogger _log = new();

    public UserUnixSocketsTests()
    {
        File.SetUnixFileMode(_folder.Path, (UnixFileMode)0b111_111_111);
        _users.Ids["alice"] = [AliceGid, SharedGid];
    }

    public void Dispose() => _folder.Dispose();

    [FactNeeding(Need.Root)]
    public async Task A_bound_socket_is_the_users()
    {
        using var socket = await Sockets().ListenAsync(Alice(), _folder["socket"], CancellationToken.None);
        Assert.Equal($"{AliceUid} {AliceGid} 600 socket", Stat("socket"));
        // Who connects is told that it is alice who listens.
        using var client = Connect("socket");
        Assert.Equal((AliceUid, AliceGid), Peer(client));
        using var accepted = await socket.AcceptAsync().WaitAsync(Deadline);
        await client.SendAsync("x"u8.ToArray());
        Assert.Equal(1, await accepted.ReceiveAsync(new byte[8]).WaitAsync(Deadline));
        socket.Dispose();
        Assert.Equal($"{AliceUid} {AliceGid} 600 socket", Stat("socket"));
    }

    [TheoryNeeding(Need.Root)]
    [InlineData("", "600")]
    [InlineData("StreamLocalBindMask 0111", "666")]
    [InlineData("StreamLocalBindMask 0", "777")]
    [InlineData("StreamLocalBindMask 077", "700")]
    [InlineData("StreamLocalBindMask 077\nMatch User alice\nStreamLocalBindMask 0117", "660")]
    [InlineData("StreamLocalBindMask 077\nMatch User bob\nStreamLocalBindMask 0117", "700")]
    public async Task The_mask_of_the_logins_configuration_counts(string config, string mode)
    {
        using var socket = await Sockets().ListenAsync(Alice(config), _folder["socket"], CancellationToken.None);
        Assert.Equal($"{AliceUid} {AliceGid} {mode} socket", Stat("socket"));
    }

    [FactNeeding(Need.Root)]
    public async Task A_socket_in_the_way_is_replaced_where_that_is_configured_and_nothing_else_is()
    {
        const string unlink = "StreamLocalBindUnlink yes";
        (await Sockets().ListenAsync(Alice(), _folder["socket"], CancellationToken.None)).Dispose();
        var taken = await Assert.ThrowsAsync<SshException>(async () => await Sockets().ListenAsync(Alice(), _folder["socket"], CancellationToken.None));
        Assert.Equal($"unix_listener: cannot bind to path {_folder["socket"]}: Address already in use", taken.Message);
        Assert.Contains("StreamLocalBindUnlink=yes", taken.Hint);
        using var socket = await Sockets().ListenAsync(Alice(unlink), _folder["socket"], CancellationToken.None);
        Connect("socket").Dispose();

        File.WriteAllText(_folder["file"], "precious");
        Directory.CreateDirectory(_folder["folder"]);
        File.CreateSymbolicLink(_folder["link"], _folder["socket"]);
        foreach (var name in (string[])["file", "folder", "link"])
        {
            var refused = await Assert.ThrowsAsync<SshException>(async () => await Sockets().ListenAsync(Alice(unlink), _folder[name], CancellationToken.None));
            Assert.Contains("is no socket", refused.Hint);
        }

        Assert.Equal("precious", File.ReadAllText(_folder["file"]));
        Connect("link").Dispose();
    }

    [FactNeeding(Need.Root)]
    public async Task Who_is_connected_to_sees_the_user_and_the_groups()
    {
        using var listener = Listen("socket", (UnixFileMode)0b110_110_110);
        using var socket = await Sockets().ConnectAsync(Alice(), _folder["socket"], CancellationToken.None);
        using var accepted = await listener.AcceptAsync().WaitAsync(Deadline);
        Assert.Equal((AliceUid, AliceGid), Peer(accepted));
        var groups = new byte[64];
        Assert.Equal(8, accepted.GetRawSocketOption(SocketLevel, PeerGroups, groups));
        Assert.Equal([AliceGid, SharedGid], MemoryMarshal.Cast<byte, uint>(groups.AsSpan(0, 8)).ToArray());
        await accepted.SendAsync("x"u8.ToArray());
        Assert.Equal(1, await socket.ReceiveAsync(new byte[8]).WaitAsync(Deadline));
    }

    // What alice may use is what she may use by her own name and her groups; root's rights help nobody.
    [TheoryNeeding(Need.Root)]
    [InlineData(BobUid, 0u, 0b111_000_000, false)]
    [InlineData(0u, 0u, 0b111_000_000, false)]
    [InlineData(AliceUid, 0u, 0b111_000_000, true)]
    [InlineData(BobUid, SharedGid, 0b111_111_000, true)] // a supplementary group
    [InlineData(BobUid, AliceGid, 0b111_111_000, true)]
    [InlineData(BobUid, 0u, 0b111_111_000, false)] // root's group is not hers
    [InlineData(AliceUid, SharedGid, 0b000_111_111, false)] // a class that is meant for others is not for the owner
    public async Task Folders_are_open_to_those_they_are_open_to(uint owner, uint group, int mode, bool allowed)
    {
        Directory.CreateDirectory(_folder["private"]);
        using var listener = Listen("private/socket", (UnixFileMode)0b110_110_110);
        Commands.Run("/bin/chown", $"{owner}:{group}", _folder["private"]);
        File.SetUnixFileMode(_folder["private"], (UnixFileMode)mode);
        if (allowed)
        {
            (await Sockets().ConnectAsync(Alice(), _folder["private/socket"], CancellationToken.None)).Dispose();
            (await Sockets().ListenAsync(Alice(), _folder["private/new"], CancellationToken.None)).Dispose();
            Assert.Equal($"{AliceUid} {AliceGid} 600 socket", Stat("private/new"));
            return;
        }

        var refused = await Assert.ThrowsAsync<SshException>(async () => await Sockets().ConnectAsync(Alice(), _folder["private/socket"], CancellationToken.None));
        Assert.Equal((SshError.ConnectFailed, "Permission denied"), (refused.Error, refused.Message));
        refused = await Assert.ThrowsAsync<SshException>(async () => await Sockets().ListenAsync(Alice(), _folder["private/new"], CancellationToken.None));
        Assert.Equal((SshError.ForwardFailed, $"unix_listener: cannot bind to path {_folder["private/new"]}: Permission denied"), (refused.Error, refused.Message));
        refused = await Assert.ThrowsAsync<SshException>(async () => await Sockets().ListenAsync(Alice("StreamLocalBindUnlink yes"), _folder["private/socket"], CancellationToken.None));
        Assert.Equal(SshError.ForwardFailed, refused.Error);
        Assert.True(File.Exists(_folder["private/socket"]));
    }

    [FactNeeding(Need.Root)]
    public async Task A_socket_that_only_others_may_use_stays_closed()
    {
        using var listener = Listen("socket", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var refused = await Assert.ThrowsAsync<SshException>(async () => await Sockets().ConnectAsync(Alice(), _folder["socket"], CancellationToken.None));
        Assert.Equal("Permission denied", refused.Message);
    }

    // A thread that has the user's identity must be out of the user's reach: whoever may signal a thread may end the process.
    [FactNeeding(Need.Root, "/usr/bin/setpriv")]
    public async Task The_thread_has_no_rights_left_is_out_of_the_users_reach_and_leaves_nothing_behind()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(_folder["full"]));
        File.SetUnixFileMode(_folder["full"], (UnixFileMode)0b110_110_110);
        listener.Listen(0);
        using var first = Connect("full"); // the queue is full: the next one waits
        var connecting = Sockets().ConnectAsync(Alice(), _folder["full"], CancellationToken.None).AsTask();
        var thread = await WaitForThreadAsync(connecting);
        Assert.Equal("4294967294 54321 4294967294 54321", thread["Uid"]);
        Assert.Equal("54322 54322 54322 54322", thread["Gid"]);
        Assert.Equal("54322 54323", thread["Groups"]);
        Assert.All(new[] { "CapInh", "CapPrm", "CapEff", "CapAmb" }, set => Assert.Equal("0000000000000000", thread[set]));
        var (code, _, error) = Commands.TryRun("/usr/bin/setpriv", null, "--reuid", "54321", "--regid", "54322", "--clear-groups", "/bin/kill", "-0", thread["Pid"]);
        Assert.NotEqual(0, code);
        Assert.Contains("not permitted", error);

        using (var accepted = await listener.AcceptAsync().WaitAsync(Deadline))
        {
            using var connected = await connecting.WaitAsync(Deadline); // in its turn now
        }

        Assert.Equal(0u, LibC.GetEffectiveUserId());
        await NoThreadIsLeftAsync();
        File.WriteAllText(_folder["mine"], "");
        Assert.StartsWith("0 0 ", Stat("mine"));
    }

    /// <summary>Other tests of this process have threads of other users for a moment.</summary>
    private static bool IsOurs(string ids) => ids.Split(' ').Any(id => id == $"{AliceUid}" || id == $"{BobUid}");

    /// <summary>A thread is there for a moment longer than what it did.</summary>
    private static async Task NoThreadIsLeftAsync()
    {
        using var limit = new CancellationTokenSource(Deadline);
        while (Threads().Any(other => IsOurs(other["Uid"])))
        {
            await Task.Delay(5, limit.Token);
        }
    }

    [FactNeeding(Need.Root)]
    public async Task Many_at_once_each_get_their_own_identity()
    {
        _users.Ids["bob"] = [BobUid];
        var sockets = Sockets();
        var tasks = Enumerable.Range(0, 200).Select(async i =>
        {
            var uid = i % 2 == 0 ? AliceUid : BobUid;
            var who = i % 2 == 0 ? Alice() : Principal(new UserAccount("bob", BobUid, BobUid, "/", "/bin/sh"));
            using var socket = await sockets.ListenAsync(who, _folder[$"s{i}"], CancellationToken.None);
            return (Name: $"s{i}", Uid: uid);
        });
        foreach (var (name, uid) in await Task.WhenAll(tasks).WaitAsync(TimeSpan.FromMinutes(1)))
        {
            Assert.StartsWith($"{uid} ", Stat(name));
        }

        await NoThreadIsLeftAsync();
    }

    [Fact]
    public async Task Nobodys_socket_is_opened_without_an_account_or_for_another_without_root()
    {
        var stranger = await Assert.ThrowsAsync<SshException>(async () =>
            await Sockets().ConnectAsync(new SshPrincipal { UserName = "x" }, _folder["s"], CancellationToken.None));
        Assert.Contains("no account", stranger.Message);
        _users.ProcessUid = 4711;
        var other = await Assert.ThrowsAsync<SshException>(async () => await Sockets().ListenAsync(Alice(), _folder["s"], CancellationToken.None));
        Assert.Contains("only for the user that the server runs as", other.Message);
        Assert.False(File.Exists(_folder["s"]));
    }

    [Fact]
    public async Task The_servers_own_user_needs_no_root()
    {
        var uid = new SystemUsers().ProcessUid;
        var own = Principal(new UserAccount(Environment.UserName, uid, uid, "/", "/bin/sh"));
        using var listener = await Sockets().ListenAsync(own, _folder["socket"], CancellationToken.None);
        using var socket = await Sockets().ConnectAsync(own, _folder["socket"].TrimStart('/'), CancellationToken.None); // relative to the root, as with OpenSSH
        using var accepted = await listener.AcceptAsync().WaitAsync(Deadline);
        Assert.Equal(uid, Peer(accepted).Uid);
        foreach (var (name, reason) in ((string, string)[])[("missing", "No such file or directory"), ("socket/x", "Not a directory"), (new string('x', 120), "File name too long")])
        {
            var error = await Assert.ThrowsAsync<SshException>(async () => await Sockets().ConnectAsync(own, _folder[name], CancellationToken.None));
            Assert.Equal(reason, error.Message);
        }
    }

    [Theory]
    [InlineData(0u, 0u, true)]
    [InlineData(0u, 1000u, true)]
    [InlineData(1000u, 1000u, true)]
    [InlineData(1000u, 1001u, false)]
    [InlineData(1000u, 0u, false)]
    public void Root_can_act_as_anybody_and_others_as_themselves(uint processUid, uint uid, bool possible) =>
        Assert.Equal(possible, UserIdentity.Obstacle(processUid, new UserAccount("u", uid, uid, "/", "/bin/sh")) is null);

    private static SshPrincipal Principal(UserAccount account, string config = "") => new()
    {
        UserName = account.Name,
        State = new ServerLogin(account, SshdConfig.Parse(config).For(new MatchContext { UserName = account.Name }), LoginRights.Unrestricted),
    };

    private static SshPrincipal Alice(string config = "") => Principal(new UserAccount("alice", AliceUid, AliceGid, "/", "/bin/sh"), config);

    private static (uint Uid, uint Gid) Peer(Socket socket)
    {
        var credentials = new byte[12];
        Assert.Equal(12, socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials));
        Assert.Equal(Environment.ProcessId, BinaryPrimitives.ReadInt32LittleEndian(credentials));
        return (BinaryPrimitives.ReadUInt32LittleEndian(credentials.AsSpan(4)), BinaryPrimitives.ReadUInt32LittleEndian(credentials.AsSpan(8)));
    }

    private static IEnumerable<Dictionary<string, string>> Threads()
    {
        foreach (var task in Directory.GetDirectories("/proc/self/task"))
        {
            Dictionary<string, string> status;
            try
            {
                status = File.ReadLines(Path.Combine(task, "status")).Select(line => line.Split(':', 2))
                    .ToDictionary(pair => pair[0], pair => string.Join(' ', pair[1].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)));
            }
            catch (IOException)
            {
                continue; // it has ended
            }

            yield return status;
        }
    }

    private static async Task<Dictionary<string, string>> WaitForThreadAsync(Task connecting)
    {
        for (var until = DateTime.UtcNow + Deadline; DateTime.UtcNow < until && !connecting.IsCompleted;)
        {
            if (Threads().FirstOrDefault(thread => thread["Uid"].StartsWith($"4294967294 {AliceUid} ", StringComparison.Ordinal)) is { } found)
            {
                return found;
            }

            await Task.Yield();
            Thread.Sleep(1); // the kernel has no signal for this
        }

        await connecting;
        throw new InvalidOperationException("no thread took the identity");
    }

    private UserUnixSockets Sockets() => new(SshdConfig.Default, _users, _log);

    private string Stat(string name) => Commands.Run("/usr/bin/stat", "-c", "%u %g %a %F", _folder[name]).Trim();

    private Socket Listen(string name, UnixFileMode mode)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_folder[name]));
        File.SetUnixFileMode(_folder[name], mode);
        socket.Listen();
        return socket;
    }

    private Socket Connect(string name)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(_folder[name]));
        return socket;
    }
}
