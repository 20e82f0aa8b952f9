using System.Runtime.CompilerServices;

namespace Adit.Ssh.Transport;

/// <summary>A verdict for each of the 256 message numbers: three bit sets, everything outside of them is <see cref="GateVerdict.Disconnect"/>.</summary>
internal sealed class PhaseTable
{
    private readonly BitSet256 _legal;
    private readonly BitSet256 _unimplemented;
    private readonly BitSet256 _ignored;

    private PhaseTable(BitSet256 legal, BitSet256 unimplemented, BitSet256 ignored) =>
        (_legal, _unimplemented, _ignored) = (legal, unimplemented, ignored);

    public GateVerdict this[byte id] =>
        _legal.Contains(id) ? GateVerdict.Accept
        : _unimplemented.Contains(id) ? GateVerdict.Unimplemented
        : _ignored.Contains(id) ? GateVerdict.Ignore
        : GateVerdict.Disconnect;

    public static PhaseTable Legal(params ReadOnlySpan<Range> numbers) => new(Set(numbers), default, default);

    public PhaseTable WithUnimplemented(params ReadOnlySpan<Range> numbers) => new(_legal, Set(numbers), _ignored);

    public PhaseTable WithIgnored(params ReadOnlySpan<Range> numbers) => new(_legal, _unimplemented, Set(numbers));

    private static BitSet256 Set(ReadOnlySpan<Range> numbers)
    {
        var set = default(BitSet256);
        foreach (var range in numbers)
        {
            for (int id = range.Start.Value; id < range.End.Value; id++)
                set.Add((byte)id);
        }
        return set;
    }

    [InlineArray(4)]
    private struct BitSet256
    {
        private ulong _word;

        public readonly bool Contains(byte id) => (this[id >> 6] & (1UL << (id & 63))) != 0;

        public void Add(byte id) => this[id >> 6] |= 1UL << (id & 63);
    }
}

/// <summary>Which numbers a role may receive in each phase. Ranges exclude their end, as in C#.</summary>
internal sealed class PhaseTables
{
    // Named here so that the tables read like the RFCs' lists.
    private static readonly Range Disconnect = 1..2;
    private static readonly Range DisconnectIgnoreUnimplementedDebug = 1..5;
    private static readonly Range KexInit = 20..21;
    private static readonly Range NewKeys = 21..22;

    // Transport numbers that nothing we speak assigns: 8 is NEWCOMPRESS, which no peer has ever used.
    private static readonly Range[] UnknownTransport = [8..20, 22..30];

    private PhaseTables(SshRole role)
    {
        bool client = role == SshRole.Client;
        // Numbers 30–49 mean something else in each method; these are the ones the other role sends in the methods we have.
        Range[] kex = client ? [31..32, 33..34] : [30..31, 32..33, 34..35];

        BeforeKexInit = PhaseTable.Legal(DisconnectIgnoreUnimplementedDebug, KexInit).WithUnimplemented(UnknownTransport);
        Exchange = PhaseTable.Legal([DisconnectIgnoreUnimplementedDebug, NewKeys, .. kex]).WithUnimplemented(UnknownTransport);
        StrictExchange = PhaseTable.Legal([Disconnect, NewKeys, .. kex]);
        // RFC 4253, section 7.1: no service messages during a key exchange. EXT_INFO has its own places, none of them here.
        Rekey = Exchange;

        // EXT_INFO (7) is judged by PhaseGate: its legality depends on the packet before it.
        // 5 SERVICE_REQUEST and 50, 61 come from clients; 6 SERVICE_ACCEPT and 51, 52, 53, 60 from servers.
        Range[] login = client ? [6..7, 51..54, 60..61] : [5..6, 50..51, 61..62];
        Authentication = PhaseTable.Legal([DisconnectIgnoreUnimplementedDebug, KexInit, .. login]).WithUnimplemented(UnknownTransport);

        // After login an unknown number is harmless and RFC 4253, section 11.4 wants it answered.
        Connection = PhaseTable.Legal(DisconnectIgnoreUnimplementedDebug, KexInit, 80..83, 90..101, 192..194)
            .WithUnimplemented([.. UnknownTransport, 83..90, 101..192, 194..256]);
        if (!client)
            Connection = Connection.WithIgnored(50..51); // RFC 4252, section 5.1: requests that were under way when login succeeded
    }

    /// <summary>The first key exchange, before the peer's KEXINIT says whether it is strict.</summary>
    public PhaseTable BeforeKexInit { get; }

    /// <summary>The first key exchange, not strict.</summary>
    public PhaseTable Exchange { get; }

    /// <summary>The first key exchange, strict.</summary>
    public PhaseTable StrictExchange { get; }

    /// <summary>A later key exchange, from the peer's KEXINIT to its NEWKEYS.</summary>
    public PhaseTable Rekey { get; }

    public PhaseTable Authentication { get; }

    public PhaseTable Connection { get; }

    /// <summary>The connection protocol alone.</summary>
    public PhaseTable Bare { get; } = PhaseTable.Legal(80..83, 90..101);

    private static readonly PhaseTables Client = new(SshRole.Client);
    private static readonly PhaseTables Server = new(SshRole.Server);

    public static PhaseTables For(SshRole role) => role == SshRole.Client ? Client : Server;
}
