using System.Globalization;
using System.Numerics;
using System.Text;
using Adit.Ssh.Keys;

namespace Adit.Ssh.Tests.Keys;

public class BcryptPbkdfTests
{
    // The vectors of OpenBSD's own regression test for bcrypt_pbkdf(3).
    [Theory]
    [InlineData(4, "password", "salt", "5bbf0cc293587f1c3635555c27796598d47e579071bf427e9d8fbe842aba34d9")]
    [InlineData(4, "password", "\0", "c12b566235eee04c212598970a579a67")]
    [InlineData(4, "\0", "salt", "6051be18c2f4f82cbf0efee5471b4bb9")]
    [InlineData(4, "password\0", "salt\0", "7410e44cf4fa07bfaac8a928b1727fac001375e7bf7384370f48efd121743050")]
    [InlineData(4, "pass\0wor", "sa\0l", "c2bffd9db38f6569efef4372f4de83c0")]
    [InlineData(4, "pass\0word", "sa\0lt", "4ba4ac3925c0e8d7f0cdb6bb1684a56f")]
    [InlineData(8, "password", "salt", "e1367ec5151a33faac4cc1c144cd23fa15d5548493ecc99b9b5d9c0d3b27bec76227ea66088b849b20ab7aa478010246e74bba51723fefa9f9474d6508845e8d")]
    [InlineData(42, "password", "salt", "833cf0dcf56db65608e8f0dc0ce882bd")]
    public void Published_vectors(int rounds, string passphrase, string salt, string expected)
    {
        var key = new byte[expected.Length / 2];
        BcryptPbkdf.DeriveKey(Encoding.Latin1.GetBytes(passphrase), Encoding.Latin1.GetBytes(salt), rounds, key);
        Assert.Equal(expected, Convert.ToHexStringLower(key));
    }

    [Fact]
    public void It_stops_when_it_is_cancelled()
    {
        var key = new byte[32];
        Assert.Throws<OperationCanceledException>(() => BcryptPbkdf.DeriveKey("x"u8, "y"u8, 4096, key, new CancellationToken(true)));
    }

    [Fact]
    public void Blowfish_starts_from_the_digits_of_pi()
    {
        // Machin: pi = 16 arctan(1/5) - 4 arctan(1/239), with 64 bits to spare.
        int bits = BlowfishTables.Pi.Length * 32 + 64;
        var pi = 16 * ArcTan(5, bits) - 4 * ArcTan(239, bits);
        var fraction = (pi - (new BigInteger(3) << bits)) >> 64;
        string expected = fraction.ToString("x", CultureInfo.InvariantCulture).TrimStart('0').PadLeft(BlowfishTables.Pi.Length * 8, '0');
        Assert.Equal(expected, string.Concat(BlowfishTables.Pi.ToArray().Select(w => w.ToString("x8", CultureInfo.InvariantCulture))));

        static BigInteger ArcTan(int inverse, int bits)
        {
            var term = (BigInteger.One << bits) / inverse;
            var sum = term;
            for (int n = 3; !term.IsZero; n += 2)
            {
                term /= -inverse * inverse;
                sum += term / n;
            }
            return sum;
        }
    }
}
