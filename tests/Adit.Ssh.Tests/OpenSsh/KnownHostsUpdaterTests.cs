using System.Net;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.OpenSsh;

/// <summary>UpdateHostKeys: what a server says about its keys changes the user's file only where it is proved, agreed to, and plain.</summary>
public sealed class KnownHostsUpdaterTests : IDisposable
{
    private readonly OpenSshTestFolder _folder = new();
    private readonly KnownHostsOptions _options;
    private readonly ListLogger _log = new();
    private readonly List<PublicKey> _proved = [];
    private bool _proves = true;

    public KnownHostsUpdaterTests() => _options = new KnownHostsOptions { UserFiles = [_folder["known_hosts"]], GlobalFiles = [_folder["global"]], Logger = _log };

    private static PublicKey Current => TestKeys.Ed25519;

    private static PublicKey Other => TestKeys.Ecdsa;

    public void Dispose() => _folder.Dispose();

    private async Task<string> Update(string file, bool ask = false, int minimumRsaBits = 0, PublicKey? current = null, params PublicKey[] keys)
    {
        _folder.Write("known_hosts", file);
        var offer = new HostKeyOffer("host", 22, IPAddress.Loopback, current ?? Current, keys.Length > 0 ? keys : [Current, Other], (wanted, _) =>
        {
            _proved.AddRange(wanted);
            return ValueTask.FromResult(_proves);
        });
        await KnownHosts.Updater(_options, ask, minimumRsaBits).UpdateAsync(offer, CancellationToken.None);
        return _folder.Read("known_hosts");
    }

    private static string Line(PublicKey key, string names = "host") => $"{names} {key.ToText()}\n";

    [Fact]
    public async Task A_new_key_is_added_once_it_is_proved()
    {
        Assert.Equal($"{Line(Current)}{Line(Other)}", await Update(Line(Current)));
        Assert.Equal([Other], _proved); // the one that is known needs no proof
    }

    [Fact]
    public async Task A_key_that_is_not_proved_is_not_added_and_nothing_goes_either()
    {
        _proves = false;
        string file = $"{Line(Current)}{Line(TestKeys.Rsa)}";
        Assert.Equal(file, await Update(file));
    }

    [Fact]
    public async Task What_the_server_has_no_longer_goes_and_the_file_is_kept_beside()
    {
        string file = $"# mine\n{Line(Current)}{Line(Other)}other {TestKeys.Rsa.ToText()}\n";
        Assert.Equal(file.Replace(Line(Other), ""), await Update(file, keys: Current));
        Assert.Equal(file, _folder.Read("known_hosts.old"));
        Assert.Empty(_proved);
    }

    // A list without the key in use proves nothing: going by it would forget the host, and the next stranger would be welcome.
    [Fact]
    public async Task A_list_that_lacks_the_key_in_use_changes_nothing()
    {
        string file = $"{Line(Current)}{Line(Other)}";
        Assert.Equal(file, await Update(file, keys: []));
        Assert.Equal(file, await Update(file, keys: [Other]));
        Assert.Equal(Line(Current), await Update(Line(Current), keys: [Other]));
    }

    [Theory]
    [InlineData("host,alias")]
    [InlineData("ho*")]
    [InlineData("@cert-authority host")]
    [InlineData("@revoked host")]
    public async Task Lines_that_are_not_plain_leave_the_file_alone(string names)
    {
        string file = $"{Line(Current)}{Line(TestKeys.Rsa, names)}";
        Assert.Equal(file, await Update(file));
    }

    [Theory]
    [InlineData("host,127.0.0.1")]
    [InlineData("HOST")]
    public async Task What_a_client_wrote_itself_is_plain(string names) => Assert.Equal($"{Line(Current, names)}{Line(Other)}", await Update(Line(Current, names)));

    [Fact]
    public async Task A_hash_is_plain_and_what_is_added_is_hashed_where_that_is_wanted()
    {
        _options.HashKnownHosts = true;
        string hashed = Line(Current, KnownHostsEntry.HashName("host"));
        string after = await Update(hashed);
        Assert.StartsWith(hashed, after);
        Assert.StartsWith("|1|", after[hashed.Length..]);
        Assert.DoesNotContain("host", after[hashed.Length..].Split(' ')[0]);
    }

    [Fact]
    public async Task A_key_that_another_host_has_too_leaves_the_file_alone()
    {
        string file = $"{Line(Current)}{Line(Other, "elsewhere")}";
        Assert.Equal(file, await Update(file));
    }

    [Fact]
    public async Task A_key_that_is_only_in_the_system_s_file_vouches_for_nothing()
    {
        _folder.Write("global", Line(Current));
        Assert.Equal("", await Update(""));
        Assert.Empty(_proved);
    }

    [Fact]
    public async Task Short_RSA_keys_are_not_learned() => Assert.Equal(Line(Current), await Update(Line(Current), minimumRsaBits: 16384, keys: [Current, TestKeys.Rsa]));

    [Theory]
    [InlineData("yes", true)]
    [InlineData(" YES ", true)]
    [InlineData("no", false)]
    [InlineData(null, false)]
    public async Task A_person_decides_where_that_is_asked_for(string? answer, bool added)
    {
        var prompts = new List<string>();
        _options.Confirm = (prompt, _) =>
        {
            prompts.Add(prompt);
            return ValueTask.FromResult(answer);
        };
        Assert.Equal(added ? $"{Line(Current)}{Line(Other)}" : Line(Current), await Update(Line(Current), ask: true));
        Assert.Equal(["Accept updated hostkeys? (yes/no): "], prompts);
        Assert.Contains(_log.Lines, line => line.Text == $"Learned new hostkey: {Other.TypeName} {Other.Fingerprint}");
    }

    [Theory]
    [InlineData("me:x:1000:1000::/home/me:/bin/sh\n", "me:x:1000:\n", true)]
    [InlineData("me:x:1000:1000::/home/me:/bin/sh\n", "me:x:1000:me\n", true)]
    [InlineData("me:x:1000:1000::/home/me:/bin/sh\n", "me:x:1000:me,you\n", false)]
    [InlineData("me:x:1000:1000::/home/me:/bin/sh\nyou:x:1001:1000::/home/you:/bin/sh\n", "me:x:1000:\n", false)]
    [InlineData("me:x:1000:1000::/home/me:/bin/sh\n", "others:x:999:\n", false)]
    [InlineData("", "me:x:1000:\n", false)]
    public void A_group_is_private_where_nobody_else_is_in_it(string users, string groups, bool isPrivate) =>
        Assert.Equal(isPrivate, FileOwner.IsPrivate(1000, 1000, _folder.Write("passwd", users), _folder.Write("group", groups)));
}
