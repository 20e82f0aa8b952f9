using System.Runtime.Versioning;
using Adit.Server.Processes;
using Adit.Server.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Tests.Processes;

[SupportedOSPlatform("linux")]
public class DescriptorLoopTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    // One thread serves every session of the process.
    [Fact]
    public async Task AFaultOfOneReceiverIsNobodyElses()
    {
        var (reading, writing) = Pipe();
        using (writing)
        {
            var bad = new PolledDescriptor(reading, _ => throw new InvalidOperationException("a receiver's fault"));
            bad.Watch(DescriptorLoop.Readable);
            Write(writing);
            await TellsOnceAsync((descriptor, _) => descriptor.Watch(DescriptorLoop.Readable), Write);
            bad.Close();
        }
    }

    // The log of an SFTP session is as long as its client makes it.
    [Fact]
    public async Task AHelperThatNeverStopsTalkingKeepsNobodyWaiting()
    {
        var (reading, writing) = ProgramLauncher.CreatePipe();
        var isOver = false;
        var talking = new Thread(() =>
        {
            var lines = System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("\u0001Iinternal-sftp[1]: open\n", 100)));
            while (!Volatile.Read(ref isOver) && ProcessCalls.Write(writing, lines, out _) > 0)
            {
            }
        });
        var log = new SlowLogger();
        new ProgramLauncher(null, new FakeUsers(), log).Hear(reading);
        talking.Start();
        try
        {
            await log.Begun.WaitAsync(Deadline);
            await TellsOnceAsync((descriptor, _) => descriptor.Watch(DescriptorLoop.Readable), Write);
        }
        finally
        {
            Volatile.Write(ref isOver, true);
            talking.Join();
            writing.Dispose();
        }
    }

    // As where epoll takes no more descriptors: no turning round in haste, and no event that was not there.
    [Fact]
    public Task WithoutEpollAThreadWaits() => TellsOnceAsync((descriptor, _) => descriptor.WatchByThread(DescriptorLoop.Readable), Write);

    [Fact]
    public async Task AFileIsAlwaysReadyThoughEpollTakesNone()
    {
        using var folder = new TempFolder();
        var told = new TaskCompletionSource();
        var descriptor = new PolledDescriptor(File.OpenHandle(folder.Write("file", "text")), _ => told.TrySetResult());
        descriptor.Watch(DescriptorLoop.Readable);
        await told.Task.WaitAsync(Deadline);
        descriptor.Close();
    }

    /// <summary>One that takes longer for a line than it takes to write one.</summary>
    private sealed class SlowLogger : ILogger
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Begun => _begun.Task;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Thread.SpinWait(1000);
            _begun.TrySetResult();
        }
    }

    private static async Task TellsOnceAsync(Action<PolledDescriptor, SafeFileHandle> watch, Action<SafeFileHandle> happen)
    {
        var (reading, writing) = Pipe();
        using (writing)
        {
            var times = 0;
            var told = new TaskCompletionSource<uint>(TaskCreationOptions.RunContinuationsAsynchronously);
            var descriptor = new PolledDescriptor(reading, events =>
            {
                Interlocked.Increment(ref times);
                told.TrySetResult(events);
            });
            watch(descriptor, writing);
            Assert.False(told.Task.IsCompleted);
            happen(writing);
            Assert.Equal(DescriptorLoop.Readable, await told.Task.WaitAsync(Deadline));
            Assert.Equal(1, times);
            descriptor.Close();
        }
    }

    private static (SafeFileHandle Reading, SafeFileHandle Writing) Pipe()
    {
        var ends = ProgramLauncher.CreatePipe();
        ProgramLauncher.SetNonBlocking(ends.Reading);
        return ends;
    }

    private static void Write(SafeFileHandle pipe) => Assert.Equal(1, ProcessCalls.Write(pipe, "x"u8, out _));
}
