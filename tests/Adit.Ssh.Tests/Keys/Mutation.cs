namespace Adit.Ssh.Tests.Keys;

/// <summary>Damage to valid input, for parsers to survive.</summary>
internal static class Mutation
{
    public static byte[] Of(ReadOnlySpan<byte> valid, Random random)
    {
        var bytes = new List<byte>(valid.Length + 64);
        bytes.AddRange(valid);
        for (int i = random.Next(1, 5); i > 0 && bytes.Count > 0; i--)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 32), bytes.Count - at));
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 32), bytes.Count - at)));
                    break;
                case 4:
                    // what lengths and counts break on
                    byte value = random.Next(2) == 0 ? (byte)0xff : (byte)0;
                    for (int j = at; j < Math.Min(at + 4, bytes.Count); j++)
                        bytes[j] = value;
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }
        return [.. bytes];
    }
}
