using Adit.Cli.Diagnostics;
using Adit.Ssh.Tests;

namespace Adit.Cli.Tests.Diagnostics;

public class QuietMemoryTests
{
    private readonly ManualTime _time = new();
    private TimeSpan _used;
    private long _allocated;
    private int _collections;

    [Fact]
    public void NothingHappensUnlessSomethingWasCollected()
    {
        using var memory = Make();
        Pass(10);
        Assert.Equal(0, _collections);
    }

    [Fact]
    public void TheFirstQuietMomentAfterACollectionGivesMemoryBackOnce()
    {
        using var memory = Make();
        memory.OnCollection();
        AssertOneCollectionOnceQuiet(busy: 5);
    }

    [Fact]
    public void TheNextBurstIsWatchedAgain()
    {
        using var memory = Make();
        memory.OnCollection();
        Pass(1);
        memory.OnCollection();
        memory.OnCollection();
        Pass(10);
        Assert.Equal(2, _collections);
    }

    // Somebody who connects again and again could have it stop all the time.
    [Fact]
    public void ALongPauseKeepsTheNextOneAway()
    {
        using var memory = new QuietMemory(_time, () => _used, () => _allocated, () =>
        {
            _collections++;
            _time.Advance(TimeSpan.FromSeconds(0.05));
        });
        memory.OnCollection();
        Pass(1);
        memory.OnCollection();
        Pass(9);
        Assert.Equal(1, _collections);
        Pass(2);
        Assert.Equal(2, _collections);
    }

    // Its own collection is no burst: otherwise it would come again each second for ever.
    [Fact]
    public void ItsOwnCollectionStartsNoWatch()
    {
        QuietMemory? memory = null;
        using var made = memory = new QuietMemory(_time, () => _used, () => _allocated, () =>
        {
            _collections++;
            memory!.OnCollection();
        });
        memory.OnCollection();
        Pass(10);
        Assert.Equal(1, _collections);
    }

    [Fact]
    public void NothingHappensAfterItsEnd()
    {
        var memory = Make();
        memory.OnCollection();
        memory.Dispose();
        memory.OnCollection();
        Pass(10);
        Assert.Equal(0, _collections);
    }

    // Ten thousand connections that end are garbage, but make none: the collector has no reason to come.
    [Fact]
    public void WhatEndsWithoutACollectionIsFoundWithinHalfAMinute()
    {
        using var memory = Make();
        Pass(100);
        _allocated += 200_000; // not worth it
        Pass(100);
        Assert.Equal(0, _collections);
        _allocated += 100_000;
        AssertOneCollectionOnceQuiet(busy: 40);
        _allocated += 300_000;
        Pass(32);
        Assert.Equal(2, _collections);
    }

    private void AssertOneCollectionOnceQuiet(int busy)
    {
        Pass(busy, busy: true);
        Assert.Equal(0, _collections);
        Pass(1);
        Assert.Equal(1, _collections);
        Pass(100);
        Assert.Equal(1, _collections);
    }

    private QuietMemory Make() => new(_time, () => _used, () => _allocated, () => _collections++);

    private void Pass(int seconds, bool busy = false)
    {
        for (int i = 0; i < seconds; i++)
        {
            _used += TimeSpan.FromMilliseconds(busy ? 60 : 1);
            _time.Advance(TimeSpan.FromSeconds(1));
        }
    }
}
