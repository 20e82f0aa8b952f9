using System.Diagnostics;
using System.Text;
using Adit.Ssh.Keys;

namespace Adit.Ssh.Tests.Keys;

/// <summary>INVARIANTS 30: any bytes into any parser give an error, quickly, and nothing else.</summary>
public class KeyParserFuzzTests
{
    private const int Rounds = 400;

    private static void Survives(int seed, IEnumerable<byte[]> valid, Action<byte[]> parse)
    {
        var random = new Random(seed);
        foreach (byte[] input in valid)
        {
            parse(input); // as it is, it is right
            for (int i = 0; i < Rounds; i++)
            {
                byte[] damaged = Mutation.Of(input, random);
                long started = Stopwatch.GetTimestamp();
                try
                {
                    parse(damaged);
                }
                catch (SshException e)
                {
                    Assert.NotEqual(SshError.ProtocolError, e.Error);
                }
                Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(30), $"slow: {Convert.ToHexString(damaged)}");
            }
        }
    }

    [Fact]
    public void Public_key_blobs()
    {
        using var ed25519 = PrivateKey.Generate("ed25519");
        using var ecdsa = PrivateKey.Generate("ecdsa");
        using var rsa = PrivateKey.Generate("rsa", 1024);
        Survives(1, new[] { ed25519, ecdsa, rsa }.Select(k => k.PublicKey.Blob.ToArray()), b => PublicKey.Parse(b));
        Survives(2, new[] { ed25519, ecdsa, rsa }.Select(k => Encoding.ASCII.GetBytes(k.PublicKey.ToText("c"))),
            b => PublicKey.ParseText(Encoding.Latin1.GetString(b), out _));
        Survives(3, new[] { ed25519, ecdsa, rsa }.Select(k => k.Sign(k.PublicKey.SignatureAlgorithms[0], "x"u8)), b =>
        {
            foreach (var key in (PrivateKey[])[ed25519, ecdsa, rsa])
                key.PublicKey.Verify(key.PublicKey.SignatureAlgorithms[0], "x"u8, b);
        });
    }

    [Fact]
    public void Certificates()
    {
        using var folder = new KeygenFolder();
        string ca = folder.Generate("ca", "-t", "ed25519", "-N", "");
        var blobs = new List<byte[]>();
        foreach (string type in (string[])["ed25519", "ecdsa", "rsa"])
        {
            string file = folder.Generate(type, "-t", type, "-b", type == "rsa" ? "1024" : "256", "-N", "");
            folder.Run("ssh-keygen", "-q", "-s", ca, "-I", "id", "-n", "a,b", "-O", "force-command=x", file + ".pub");
            blobs.Add(KeyFile.ReadPublicKey(file + "-cert.pub", out _).Blob.ToArray());
        }
        Survives(4, blobs, b => PublicKey.Parse(b));
        byte[] options = [0, 0, 0, 1, (byte)'a', 0, 0, 0, 4, 0, 0, 0, 0];
        Survives(5, [options], b => Guarded(() =>
        {
            foreach (var option in CertificateOption.ReadList(b))
                _ = option.Text;
        }));
    }

    [Fact]
    public void Private_key_files()
    {
        using var folder = new KeygenFolder();
        var plain = new List<byte[]>();
        var encrypted = new List<byte[]>();
        foreach (string type in (string[])["ed25519", "ecdsa", "rsa"])
        {
            foreach (string format in (string[])["RFC4716", "PEM", "PKCS8"])
            {
                string[] arguments = ["-t", type, "-b", type == "rsa" ? "1024" : "256", "-m", format, "-a", "1"];
                plain.Add(File.ReadAllBytes(folder.Generate(type + format, [.. arguments, "-N", ""])));
                encrypted.Add(File.ReadAllBytes(folder.Generate(type + format + "e", [.. arguments, "-N", "secret"])));
            }
        }
        folder.Run("openssl", "genpkey", "-algorithm", "ed25519", "-out", "pkcs8");
        plain.Add(File.ReadAllBytes(folder.File("pkcs8")));
        Survives(6, plain, b => KeyFile.ParsePrivateKey(b).Dispose());
        Survives(7, plain.Concat(encrypted), b =>
        {
            try
            {
                _ = PublicKeyText.Read(b, out _);
            }
            catch (SshException e) when (e.Error == SshError.WrongPassphrase)
            {
                // as it should be for an encrypted PEM file
            }
        });
    }

    [Fact]
    public void Encrypted_key_files_with_the_right_passphrase()
    {
        using var folder = new KeygenFolder();
        var files = new List<byte[]>();
        foreach (string format in (string[])["RFC4716", "PEM", "PKCS8"])
            files.Add(File.ReadAllBytes(folder.Generate(format, "-t", "ecdsa", "-m", format, "-a", "1", "-N", "secret")));
        Survives(8, files, b =>
        {
            // The number of rounds that a damaged file asks for may be lawful but long: what is looked for here are crashes.
            if (!AsksForMuchWork(b))
                KeyFile.ParsePrivateKey(b, "secret").Dispose();
        });

        static bool AsksForMuchWork(byte[] file)
        {
            string[] lines = Encoding.Latin1.GetString(file).Split('\n');
            if (!lines[0].Contains("OPENSSH"))
                return false;
            var data = new byte[file.Length];
            string base64 = string.Concat(lines.Skip(1).TakeWhile(l => !l.StartsWith('-')));
            if (!Convert.TryFromBase64String(base64, data, out _))
                return false;
            int at = data.AsSpan().IndexOf("bcrypt"u8);
            return at >= 0 && at + 34 < data.Length && (data[at + 30] | data[at + 31] | data[at + 32]) != 0;
        }
    }

    // Damage inside what base64 and encryption protect.
    [Fact]
    public void Private_key_contents()
    {
        foreach (string type in (string[])["ed25519", "ecdsa", "rsa"])
        {
            using var key = PrivateKey.Generate(type, type == "rsa" ? 1024 : 0);
            string[] lines = Encoding.ASCII.GetString(KeyFile.FormatPrivateKey(key)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            byte[] data = Convert.FromBase64String(string.Concat(lines[1..^1]));
            Survives(9, [data], b => KeyFile.ParsePrivateKey(
                Encoding.ASCII.GetBytes($"{lines[0]}\n{Convert.ToBase64String(b)}\n{lines[^1]}\n")).Dispose());
        }
        using var folder = new KeygenFolder();
        foreach (string type in (string[])["ecdsa", "rsa"])
        {
            foreach (string format in (string[])["PEM", "PKCS8"])
            {
                string[] lines = File.ReadAllLines(folder.Generate(type + format, "-t", type, "-b", type == "rsa" ? "1024" : "256", "-m", format, "-N", ""));
                byte[] data = Convert.FromBase64String(string.Concat(lines[1..^1]));
                Survives(10, [data], b => KeyFile.ParsePrivateKey(
                    Encoding.ASCII.GetBytes($"{lines[0]}\n{Convert.ToBase64String(b)}\n{lines[^1]}\n")).Dispose());
            }
        }
    }

    // A part of a parser that speaks of protocol errors, which its caller translates.
    private static void Guarded(Action parse)
    {
        try
        {
            parse();
        }
        catch (SshException e) when (e.Error == SshError.ProtocolError)
        {
            // translated by the caller
        }
    }
}
