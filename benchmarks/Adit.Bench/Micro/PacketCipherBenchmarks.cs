using System.Buffers.Binary;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography;
using BenchmarkDotNet.Attributes;

namespace Adit.Bench.Micro;

/// <summary>One packet sealed, and one opened, by cipher and size of its payload. Opening includes copying the sealed packet, for it is opened in place.</summary>
public class PacketCipherBenchmarks
{
    private PacketSealer _sealer = null!;
    private PacketOpener _opener = null!;
    private PacketSealer _sealerForOpener = null!;
    private byte[] _clear = [];
    private byte[] _frame = [];
    private byte[][] _sealed = [];
    private uint _sequence;
    private uint _next;
    private Func<PacketOpener> _newOpener = null!;

    [ParamsSource(nameof(CipherNames))]
    public string Cipher { get; set; } = "";

    [Params(64, 1024, 32 * 1024)]
    public int Payload { get; set; }

    public static IEnumerable<string> CipherNames =>
    [
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
        "aes128-ctr hmac-sha2-256-etm@openssh.com",
    ];

    [GlobalSetup]
    public void Setup()
    {
        string[] names = Cipher.Split(' ');
        var cipher = Algorithms.FindCipher(names[0])!;
        var mac = names.Length > 1 ? Algorithms.FindMac(names[1]) : null;
        byte[] key = RandomNumberGenerator.GetBytes(cipher.KeySize), iv = RandomNumberGenerator.GetBytes(cipher.IvSize), macKey = RandomNumberGenerator.GetBytes(mac?.KeySize ?? 0);
        _sealer = cipher.CreateSealer(key, iv, mac, macKey);
        _sealerForOpener = cipher.CreateSealer(key, iv, mac, macKey);
        _newOpener = () => cipher.CreateOpener(key, iv, mac, macKey);
        _opener = _newOpener();
        _clear = Frame();
        _frame = new byte[_clear.Length];

        // A packet can be opened once: a supply of them, and a new opener whenever they are used up.
        _sealed = new byte[1024][];
        for (uint i = 0; i < _sealed.Length; i++)
        {
            _sealed[i] = [.. _clear];
            _sealerForOpener.Seal(i, _sealed[i]);
        }
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _sealer.Dispose();
        _sealerForOpener.Dispose();
        _opener.Dispose();
    }

    [Benchmark]
    public void Seal()
    {
        BinaryPrimitives.WriteInt32BigEndian(_clear, _clear.Length - 4 - _sealer.TagLength);
        _sealer.Seal(_sequence++, _clear);
    }

    [Benchmark]
    public bool Open()
    {
        if (_next == _sealed.Length)
        {
            _opener.Dispose();
            _opener = _newOpener();
            _next = 0;
        }

        _sealed[_next].CopyTo(_frame, 0);
        _ = _opener.OpenLength(_next, _frame.AsSpan(0, _opener.HeaderLength));
        return _opener.Open(_next++, _frame) ? true : throw new InvalidOperationException("the packet does not open");
    }

    // As the transport pads it: to the block, at least 4 bytes.
    private byte[] Frame()
    {
        int outside = _sealer.LengthIsOutside ? 4 : 0;
        int block = _sealer.BlockSize;
        int padding = block - ((5 - outside + Payload) % block);
        padding += padding < 4 ? block : 0;
        var frame = new byte[5 + Payload + padding + _sealer.TagLength];
        RandomNumberGenerator.Fill(frame.AsSpan(0, frame.Length - _sealer.TagLength));
        BinaryPrimitives.WriteInt32BigEndian(frame, 1 + Payload + padding);
        frame[4] = (byte)padding;
        return frame;
    }
}
