using System.Globalization;
using System.Runtime.Versioning;
using System.Text;
using Adit.Server.Users;

namespace Adit.Server.Sftp;

/// <summary>What <c>ls -l</c> would show for an entry, as sftp-server words it: for people alone, clients take the attributes.</summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class SftpLongName(SftpUsers users)
{
    private const int MinuteIndex = 1, HourIndex = 2, DayIndex = 3, MonthIndex = 4, YearIndex = 5, FirstYear = 1900, TimeFields = 16, HalfYear = 365 * 24 * 60 * 60 / 2;
    private const int MostLength = 1023;
    private const string Kinds = "?pc?d?b?-?l?s???", Months = "JanFebMarAprMayJunJulAugSepOctNovDec";

    private readonly byte[] _line = new byte[MostLength + 256];
    private int _end;

    /// <summary>Good until the next.</summary>
    public ReadOnlySpan<byte> Of(ReadOnlySpan<byte> name, in LibC.StatxBuffer status, long now)
    {
        _end = 0;
        AddMode(status.Mode);
        Add(" "u8);
        AddNumber(status.Links, 3);
        Add(" "u8);
        AddName(users.UserName(status.Uid), status.Uid);
        AddName(users.GroupName(status.Gid), status.Gid);
        AddNumber(status.Size, 8);
        Add(" "u8);
        AddTime(status.ModifiedSeconds, now);
        Add(" "u8);
        Add(name);
        return _line.AsSpan(0, Math.Min(_end, MostLength));
    }

    private void AddMode(ushort mode)
    {
        Span<byte> text = stackalloc byte[11];
        text[0] = (byte)Kinds[mode >> 12];
        ReadOnlySpan<byte> letters = "rwxrwxrwx"u8;
        for (var i = 0; i < letters.Length; i++)
        {
            text[i + 1] = (mode & (0x100 >> i)) != 0 ? letters[i] : (byte)'-';
        }

        SetSpecial(ref text[3], mode, 0x800, 's', 'S');
        SetSpecial(ref text[6], mode, 0x400, 's', 'S');
        SetSpecial(ref text[9], mode, 0x200, 't', 'T');
        text[10] = (byte)' ';
        Add(text);
    }

    private static void SetSpecial(ref byte execute, ushort mode, int flag, char with, char without) =>
        execute = (mode & flag) == 0 ? execute : (byte)(execute == 'x' ? with : without);

    private void AddTime(long time, long now)
    {
        var fields = stackalloc int[TimeFields];
        if (SftpCalls.LocalTime(&time, fields) is null)
        {
            return;
        }

        Add(Encoding.ASCII.GetBytes(Months.Substring(fields[MonthIndex] * 3, 3)));
        Add(" "u8);
        AddNumber((ulong)fields[DayIndex], 2);
        if (now - time < HalfYear)
        {
            Add(" "u8);
            AddNumber((ulong)fields[HourIndex], 2, '0');
            Add(":"u8);
            AddNumber((ulong)fields[MinuteIndex], 2, '0');
        }
        else
        {
            Add("  "u8);
            Add(Encoding.ASCII.GetBytes((FirstYear + (long)fields[YearIndex]).ToString(CultureInfo.InvariantCulture)));
        }
    }

    private void AddName(ReadOnlySpan<byte> name, uint id)
    {
        const int least = 8;
        var start = _end;
        if (name.IsEmpty)
        {
            AddNumber(id, 0);
        }
        else
        {
            Add(name);
        }

        while (_end - start < least && _end < _line.Length)
        {
            _line[_end++] = (byte)' ';
        }

        Add(" "u8);
    }

    private void AddNumber(ulong number, int width, char pad = ' ')
    {
        Span<byte> digits = stackalloc byte[20];
        _ = number.TryFormat(digits, out var length, default, CultureInfo.InvariantCulture);
        for (; width > length && _end < _line.Length; width--)
        {
            _line[_end++] = (byte)pad;
        }

        Add(digits[..length]);
    }

    private void Add(ReadOnlySpan<byte> text)
    {
        text = text[..Math.Min(text.Length, _line.Length - _end)];
        text.CopyTo(_line.AsSpan(_end));
        _end += text.Length;
    }
}
