namespace Adit.Ssh.Transport;

/// <summary>How much has to have come before the reader of a busy socket is woken: <see cref="ReceiveModeration"/> without the system calls. Times are in nanoseconds of any one clock.</summary>
internal sealed class ModerationPolicy
{
    /// <summary>A receive that brings less is no part of a stream that flows: the wait after it is for one byte.</summary>
    public const int Much = 16 * 1024;

    /// <summary>What comes in this time is waited for. It is also about how much later the first of it is read.</summary>
    public const long FillTime = 200_000;

    /// <summary>How long a wait takes at most.</summary>
    public const long Patience = 500_000;

    /// <summary>For less than this nobody waits: the stream is too slow to be worth it.</summary>
    public const int LeastLowWater = 32 * 1024;

    /// <summary>Waits in <see cref="SampleTime"/> from which on a stream comes in small pieces: 7,500 a second. One that comes in large ones by itself has nothing to gain.</summary>
    public const int ManyWaits = 6;

    /// <summary>More than one receive takes (<see cref="PacketReader.ReceiveSize"/>) is not waited for.</summary>
    public const int MostLowWater = PacketReader.ReceiveSize;

    /// <summary>What a stream carries before it is trusted to go on, at first; what ends in between, an answer and its next request, is not held up.</summary>
    public const long FirstProbation = 1024 * 1024;

    /// <summary>And at most, doubled each time the trust was misplaced.</summary>
    public const long LongestProbation = 256 * 1024 * 1024;

    /// <summary>A wait that was in vain costs as many that were not.</summary>
    private const int MissCost = 16;

    private const int MostCredit = 4 * MissCost;

    /// <summary>How long is looked at before it is decided anew.</summary>
    public const long SampleTime = 4 * FillTime;

    /// <summary>After so many samples of waiting for more the stream is left to itself for one, to see whether it still comes in small pieces.</summary>
    private const int MostSamples = 100;

    private long _sampleStart;
    private long _sampleBytes;
    private long _probation = FirstProbation;
    private long _untilTrusted = FirstProbation;
    private int _lowWater = 1;
    private int _credit;
    private int _lastReceive;
    private int _sampleWaits;
    private int _samples;

    public ModerationPolicy(long now) => _sampleStart = now;

    public void Received(int count)
    {
        _lastReceive = count;
        _sampleBytes += count;
        _untilTrusted -= count;
    }

    /// <summary>The socket is drained and its reader about to wait: for how many bytes, 1 to <see cref="MostLowWater"/>. More than 1 must not be waited for longer than <see cref="Patience"/>.</summary>
    /// <param name="now">The time.</param>
    /// <param name="wasLate">The last wait was for more than one byte, and its patience ran out.</param>
    public int NextWait(long now, bool wasLate)
    {
        if (wasLate && (_credit -= MissCost) < 0)
        {
            _credit = 0;
            _probation = Math.Min(_probation * 2, LongestProbation);
            _untilTrusted = _probation;
        }
        Sample(now);
        _sampleWaits++;
        if (wasLate || _untilTrusted > 0 || _lastReceive < Much || _lowWater == 1)
            return 1;
        if (_credit < MostCredit)
            _credit++;
        else
            _probation = Math.Max(_probation - MostLowWater, FirstProbation);
        return _lowWater;
    }

    private void Sample(long now)
    {
        long elapsed = now - _sampleStart;
        if (elapsed < SampleTime)
            return;
        long comes = (long)((double)_sampleBytes * FillTime / elapsed);
        bool inPieces = _lowWater > 1 ? ++_samples < MostSamples : _sampleWaits * SampleTime / elapsed >= ManyWaits;
        _lowWater = inPieces && comes >= LeastLowWater ? (int)Math.Min(1L << (int)long.Log2(comes), MostLowWater) : 1;
        if (_lowWater == 1)
            _samples = 0;
        _sampleWaits = 0;
        _sampleStart = now;
        _sampleBytes = 0;
    }
}
