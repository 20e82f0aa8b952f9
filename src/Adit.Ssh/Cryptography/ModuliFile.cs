using System.Globalization;
using System.Security.Cryptography;

namespace Adit.Ssh.Cryptography;

/// <summary>The groups a server offers in group exchange, in the format of moduli(5), /etc/ssh/moduli.
/// <code>
/// timestamp type tests tries size generator modulus
/// 20240101120000 2 6 100 2047 2 F6D2…           size is one less than the modulus has bits
/// </code></summary>
public sealed class ModuliFile
{
    /// <summary>Where OpenSSH keeps it.</summary>
    public const string DefaultPath = "/etc/ssh/moduli";

    // moduli(5): only safe primes are of use, and only those that passed a test other than trial division.
    private const int TypeSafe = 2;
    private const int TestedComposite = 1;
    private const int MaxLineLength = 8192;

    private readonly List<Entry> _entries;

    private ModuliFile(List<Entry> entries) => _entries = entries;

    /// <summary>No groups of its own: <see cref="Choose"/> falls back to the built-in ones.</summary>
    public static ModuliFile Empty { get; } = new([]);

    /// <summary>How many usable groups it holds.</summary>
    public int Count => _entries.Count;

    /// <summary>Reads the file; lines that are malformed or not usable are skipped, as sshd does. Throws <see cref="IOException"/> or
    /// <see cref="UnauthorizedAccessException"/> when it cannot be read.</summary>
    public static ModuliFile Load(string path)
    {
        using var reader = new StreamReader(path);
        return Read(reader);
    }

    /// <summary>Reads the lines of such a file.</summary>
    public static ModuliFile Read(TextReader reader)
    {
        var entries = new List<Entry>();
        while (reader.ReadLine() is { } line)
        {
            if (Parse(line) is { } entry)
                entries.Add(entry);
        }
        return new ModuliFile(entries);
    }

    /// <summary>A group for the client's wishes in SSH_MSG_KEX_DH_GEX_REQUEST, in bits: the smallest size of at least <paramref name="preferred"/>
    /// that is here, else the largest below it, and of that size any one at random. Without a fitting one, one of RFC 3526's that is not larger
    /// than <paramref name="max"/>. Throws <see cref="SshException"/> when the wishes make no sense or end below 2048 bits.</summary>
    public DhGroup Choose(uint min, uint preferred, uint max)
    {
        if (max < min || preferred < min || max < preferred || max < DhGroup.MinBits || min > DhGroup.MaxBits)
            throw KeyAgreementError.Refused("DH GEX group out of range");
        min = Math.Max(min, DhGroup.MinBits);
        max = Math.Min(max, DhGroup.MaxBits);
        preferred = Math.Clamp(preferred, DhGroup.MinBits, DhGroup.MaxBits);
        int best = 0;
        foreach (var entry in _entries)
        {
            if (entry.Bits < min || entry.Bits > max)
                continue;
            bool closer = entry.Bits >= preferred ? best < preferred || entry.Bits < best : entry.Bits > best && best < preferred;
            if (closer)
                best = entry.Bits;
        }
        if (best == 0)
            return Fallback(max);
        var fitting = _entries.Where(entry => entry.Bits == best).ToArray();
        var chosen = fitting[RandomNumberGenerator.GetInt32(fitting.Length)];
        return new DhGroup(Convert.FromHexString(chosen.Modulus), chosen.Generator);
    }

    private static DhGroup Fallback(uint max) => max switch
    {
        < 3072 => Rfc3526.Group14,
        < 6144 => Rfc3526.Group16,
        _ => Rfc3526.Group18,
    };

    private static Entry? Parse(string line)
    {
        if (line.Length > MaxLineLength || line.StartsWith('#'))
            return null;
        string[] fields = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length != 7
            || !TryInteger(fields[1], out int type) || type != TypeSafe
            || !TryInteger(fields[2], out int tests) || (tests & TestedComposite) != 0 || tests == 0
            || !TryInteger(fields[3], out int tries) || tries == 0
            || !TryInteger(fields[4], out int size))
        {
            return null;
        }
        int bits = size + 1;
        string modulus = fields[6].Length % 2 == 0 ? fields[6] : "0" + fields[6];
        string generator = fields[5].Length % 2 == 0 ? fields[5] : "0" + fields[5];
        if (bits is < DhGroup.MinBits or > DhGroup.MaxBits || modulus.Length > DhGroup.MaxBits / 4)
            return null;
        try
        {
            var group = new DhGroup(Convert.FromHexString(modulus), Convert.FromHexString(generator));
            return group.Bits == bits ? new Entry(bits, modulus, group.Generator.ToArray()) : null;
        }
        catch (Exception e) when (e is FormatException or SshException)
        {
            return null;
        }
    }

    private static bool TryInteger(string text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private sealed record Entry(int Bits, string Modulus, byte[] Generator);
}
