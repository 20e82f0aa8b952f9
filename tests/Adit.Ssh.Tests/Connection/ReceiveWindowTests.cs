using Adit.Ssh.Connection;
using Adit.Ssh.Tests.Authentication;

namespace Adit.Ssh.Tests.Connection;

public class ReceiveWindowTests
{
    private const int Usual = 2 * 1024 * 1024;
    private const int Ceiling = 64 * 1024 * 1024;
    private const int Piece = 32 * 1024;

    private readonly FakeTime _time = new();

    [Fact]
    public void Starts_at_the_usual_size_while_memory_is_plentiful()
    {
        var window = Window(new WindowBudget(1L << 30), roundTrip: null);

        Assert.Equal(Usual, window.Size);
    }

    [Theory]
    [InlineData(2_000)]
    [InlineData(10_000)]
    public void A_busy_channel_beside_thousands_of_idle_ones_gets_the_usual_size(int idle)
    {
        var budget = new WindowBudget(2L << 30);
        for (int i = 0; i < idle; i++)
            _ = Window(budget, roundTrip: null);
        var window = Window(budget, roundTrip: null);
        Assert.True(window.Size < Usual, "this test wants a short budget");

        Consume(ref window, 2 * Usual);

        Assert.Equal(Usual, window.Size);
        Assert.InRange(window.Remaining, Usual * 3 / 4, Usual); // up to a quarter is held back until it is worth a message
    }

    [Fact]
    public void Everything_granted_is_counted_and_stays_within_the_limit_plus_the_minimum_of_each()
    {
        const int channels = 5_000;
        var budget = new WindowBudget(1L << 30);
        var windows = new ReceiveWindow[channels];
        for (int i = 0; i < channels; i++)
            windows[i] = Window(budget, roundTrip: TimeSpan.FromSeconds(10));
        for (int i = 0; i < channels; i++)
            Consume(ref windows[i], 4 * Usual);

        Assert.Equal(windows.Sum(window => (long)window.Size), budget.Reserved);
        Assert.InRange(budget.Reserved, budget.Limit / 2, budget.Limit + ((long)channels * WindowBudget.Minimum));

        for (int i = 0; i < channels; i++)
            windows[i].Release();
        Assert.Equal(0, budget.Reserved);
    }

    [Fact]
    public void Grows_beyond_the_usual_size_when_the_round_trip_is_what_limits()
    {
        var window = Window(new WindowBudget(1L << 30), TimeSpan.FromMilliseconds(100));
        _time.Advance(TimeSpan.FromMilliseconds(120));

        Consume(ref window, Usual);

        Assert.Equal(2 * Usual, window.Size);
    }

    // All of it at once would fill a buffer at the peer; OpenSSH's sshd slows down to a twentieth when its own are full.
    [Fact]
    public void Growth_is_granted_as_data_is_consumed_and_not_at_once()
    {
        var window = Window(new WindowBudget(1L << 30), TimeSpan.FromMilliseconds(100));
        _time.Advance(TimeSpan.FromMilliseconds(120));
        long consumed = 0, granted = 0;
        for (; consumed < 5 * Usual / 2; consumed += Piece)
        {
            window.Debit(Piece);
            uint grant = window.Credit(Piece);
            granted += grant;
            Assert.InRange(grant, 0u, 2 * 512 * 1024u);
        }

        Assert.Equal(2 * Usual, window.Size);
        Assert.InRange(granted - consumed, Usual - (512 * 1024), Usual); // all of the growth has arrived by then
    }

    [Fact]
    public void Stays_at_the_usual_size_on_a_short_way()
    {
        var window = Window(new WindowBudget(1L << 30), TimeSpan.FromMilliseconds(0.1));
        for (int i = 0; i < 10; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(2));
            Consume(ref window, Usual);
        }

        Assert.Equal(Usual, window.Size);
    }

    [Fact]
    public void A_sink_that_fell_behind_stops_growth_for_one_window()
    {
        var budget = new WindowBudget(1L << 30);
        for (int i = 0; i < 4_000; i++)
            _ = Window(budget, roundTrip: null);
        var window = Window(budget, roundTrip: null);
        int first = window.Size;

        window.OnBacklog();
        Consume(ref window, first);
        Assert.Equal(first, window.Size);

        Consume(ref window, first);
        Assert.Equal(2 * first, window.Size);
    }

    private ReceiveWindow Window(WindowBudget budget, TimeSpan? roundTrip) => new(budget, new RoundTripClock(_time, () => roundTrip), Usual, Ceiling);

    /// <summary>Receives and delivers until the window has been used for so many bytes.</summary>
    private static void Consume(ref ReceiveWindow window, int bytes)
    {
        for (int done = 0; done < bytes; done += Piece)
        {
            window.Debit(Piece);
            window.Credit(Piece);
        }
    }
}
