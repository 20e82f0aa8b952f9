using System.Runtime.InteropServices;

namespace Adit.Server.Processes;

/// <summary>A null-terminated array of C strings, as programs get their arguments and environment.</summary>
internal sealed unsafe class NativeStrings : IDisposable
{
    private byte* _block;

    /// <summary>Throws <see cref="ArgumentException"/> for text with a NUL in it: the program would see less than what was checked.</summary>
    public NativeStrings(IEnumerable<string> texts)
    {
        byte[][] all = [.. texts.Select(OsText.Encode)];
        if (all.Any(text => text.Contains((byte)0)))
        {
            throw new ArgumentException("text with a NUL in it", nameof(texts));
        }

        var pointers = (nuint)(all.Length + 1) * (nuint)sizeof(nint);
        _block = (byte*)NativeMemory.Alloc(pointers + (nuint)all.Sum(text => (long)text.Length + 1));
        var table = (byte**)_block;
        var next = _block + pointers;
        for (var i = 0; i < all.Length; i++)
        {
            table[i] = next;
            all[i].CopyTo(new Span<byte>(next, all[i].Length));
            next[all[i].Length] = 0;
            next += all[i].Length + 1;
        }

        table[all.Length] = null;
    }

    public byte** Pointer => (byte**)_block;

    /// <summary>The first of them.</summary>
    public byte* First => Pointer[0];

    public void Dispose()
    {
        NativeMemory.Free(_block);
        _block = null;
    }
}
