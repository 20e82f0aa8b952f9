using System.Security.Cryptography;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public class KexKeysTests
{
    private const string NistSecret =
        "000001002f14b1acdf871bec4ea5720a3e921cf16a796559b2a094a0d1e45021dcabff152a0e3dca4115239454dc407a6474c8fcd395273a6487c6736710610aeb60"
        + "7707b7ef87203a081646af53ba037f29316a3dec4ce80ec04775b8697db46f7e4f4b38d69de832a25cf0a5484c9b36a48950d50dfe77ac5da63a1c2314ffa8cb68f0"
        + "c201bbfb7a1a89837b9f57465d14635bda2abf601a06bbd8f70af0169c39209dcda9fb1416a9eadb5ea4deb358566190a62a44d6765d9a25b5157ed5e0f5317f0ed3"
        + "f6eacebe07ba214e2ef9f654dbc2fa3dc2f227124a3f56a40905c9c86cd64b0ed80c4299d86f59d5f06b9c026a28feea5c5fafbe7ba90283de867dd55858";

    private const string Secret = "00000021009f3ae2b1c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f";
    private const string ExchangeHash = "7bde03b6174b06ac22d902ada587e02f46b15e82e96fcc34d951b86efe0642f8";
    private const string SessionId = "1cc1c70c03d3fa98125ac304150c6b2ab44b1a308f55aab9e46e6de9f92ae871";

    // NIST CAVP, SP 800-135 "SSH", SHA-1.
    [Theory]
    [InlineData('A', "f2faef6e274814ed7ca544484ac21a3a")]
    [InlineData('B', "3ca9bc0f3c65c257fa160a4d1c5e3520")]
    [InlineData('C', "fcdf0545b51aca6515bccf6ed0ecb582")]
    [InlineData('D', "86ea895a310c3bbd1aac209b2362d58a")]
    [InlineData('E', "12a4f2b749e2bf88c1f8437e5ff61de761fd48b3")]
    [InlineData('F', "a3a9276a120db379ec780e434879a54935db954d")]
    public void DerivesNistsVectors(char letter, string key) =>
        AssertDerives("SHA1", NistSecret, "5fb6dff3272cb949856a57f2645a56d957dc4606", "5160cab836d899193077dc67485ef41669ec5d8a", letter, key);

    // Made with "openssl kdf … SSHKDF" of OpenSSL 3.0: shorter than a hash, exactly one, two, and more.
    [Theory]
    [InlineData("SHA256", 'A', "e1c7c1915b7c479e696619d0")]
    [InlineData("SHA256", 'C', "2c4f08fe92ca3161f9fcd653c1adeebab06d480acd300b524b960545117f5453")]
    [InlineData("SHA256", 'F', "59f7e9640e29818fcb7cb74393b204078dc97d57fd214a12a866cbf00a049e32f7b5df146b9f2f26e9904910f3c29e38d72c81be08e580bb679a6a16ffc3"
        + "9712533b26f8df5e2d3a838e5afbf0ba71eab4548c5ebb09b8b5c432d700396815b4fb530db2fc64d6b00328f97cfce0b14bc2d67f7e2ab0f6199048527d7b48b78a3983abea1ba0"
        + "71a4872226cf69a12e3d83d3d023bcaa")]
    [InlineData("SHA384", 'B', "a88518a641d39b6770e25aeb5dec1b56")]
    [InlineData("SHA512", 'E', "21dab1056c92be08275fc0e9e72701dacf526f16be57c064e59f9167751f7eff21fca937b30081289a8f3b6fad99ff85148477ef61e2f36077fdfc053bff8d22")]
    [InlineData("SHA512", 'C', "a8e5e53cee5a504d72ed46148175bf899fd54efd0f61845d33abd3ae8139f464f34d8e47d7d6af71778ca9bc0f22dde87f6221cfaef5a9c03dd83103ae88"
        + "1028c7e5039af6a15dd249e9164358d0e1c992efe3bff904327d8efa093edccb5104d1942fdee1d92a93157be2ce281df660777e5095facd8ebff37b437a26694feff013")]
    public void DerivesWhatOpenSslDerives(string hash, char letter, string key) => AssertDerives(hash, Secret, ExchangeHash, SessionId, letter, key);

    [Fact]
    public void TheSecretIsErasedWhenDone()
    {
        byte[] secret = [1, 2, 3];
        new KexSecret(HashAlgorithmName.SHA256, secret, [4], [5]).Dispose();
        Assert.Equal(new byte[3], secret);
    }

    // A public value with leading zero bytes and then a high bit: one in 512 is like that.
    [Fact]
    public void AnMpintIsNeverNegative()
    {
        Assert.Equal([0, 0x80, 1], KeyAgreementSecret.MpintContent([0, 0, 0x80, 1]));
        Assert.Equal([0, 0x80], KeyAgreementSecret.MpintContent([0x80]));
        Assert.Equal([0x7f], KeyAgreementSecret.MpintContent([0, 0x7f]));
        Assert.Equal([], KeyAgreementSecret.MpintContent([0, 0]));
    }

    private static void AssertDerives(string hash, string secret, string exchangeHash, string sessionId, char letter, string expected)
    {
        var key = new byte[expected.Length / 2];
        KexKeys.Derive(new HashAlgorithmName(hash), Convert.FromHexString(secret), Convert.FromHexString(exchangeHash), letter,
            Convert.FromHexString(sessionId), key);
        Assert.Equal(expected, Convert.ToHexStringLower(key));
    }
}
