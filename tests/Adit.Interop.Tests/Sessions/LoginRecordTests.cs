using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Sessions;

/// <summary>Our server as root records logins where the system's own programs look for them. Alone, since every server of every test writes there: as long as the files are there,
/// logins of others are shown too, and greeted otherwise.</summary>
[Collection(Alone.Name)]
public class LoginRecordTests
{
    private static readonly string[] Files = ["/var/run/utmp", "/var/log/wtmp", "/var/log/lastlog"];

    [Fact]
    public Task WhoShowsALoginWhileItLastsAndTheNextOneIsToldOfIt() => Lab.RunAsync(async lab =>
    {
        string[] missing = [.. Files.Where(file => !File.Exists(file))];
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        try
        {
            foreach (string file in missing)
            {
                await File.WriteAllBytesAsync(file, []);
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            }

            Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = ["AuthorizedKeysFile .ssh/authorized_keys", "PrintMotd no"] });
            const string input = "who; tty; exit\n";
            string first = (await lab.SshAsync(server, "", user.Name, input, "-tt")).Output;
            string line = Regex.Match(first, "^/dev/(pts/[0-9]+)", RegexOptions.Multiline).Groups[1].Value;
            Assert.NotEqual("", line);
            Assert.Matches($@"\b{user.Name} +{line} .*\(127\.0\.0\.1\)", first);
            Assert.DoesNotContain(user.Name + " ", await lab.MustAsync(Machine.Tool("who")), StringComparison.Ordinal);

            string second = (await lab.SshAsync(server, "", user.Name, input, "-tt")).Output;
            Assert.Matches(@"^Last login: [A-Z][a-z]{2} [A-Z][a-z]{2} [ 1-3][0-9] \d\d:\d\d:\d\d \d{4} from 127\.0\.0\.1\r?\n", second);
            Assert.DoesNotContain("Last login", (await lab.SshAsync(server, "tty", user.Name, options: "-tt")).Output, StringComparison.Ordinal);

            string hush = Path.Combine(user.Home, ".hushlogin");
            await File.WriteAllTextAsync(hush, "");
            Assert.DoesNotContain("Last login", (await lab.SshAsync(server, "", user.Name, input, "-tt")).Output, StringComparison.Ordinal);
            File.Delete(hush);
        }
        finally
        {
            foreach (string file in missing)
            {
                File.Delete(file);
            }
        }
    });
}
