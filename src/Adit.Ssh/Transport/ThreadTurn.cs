using System.Runtime.CompilerServices;

namespace Adit.Ssh.Transport;

/// <summary>When a loop that always finds more to do lets others have its thread. On a thread that watches sockets after every batch: it goes on there as soon as that has looked for other
/// events. On one of the pool late, for giving that up wakes another one, and the data moves between processors with every change.</summary>
internal static class ThreadTurn
{
    private const int BatchesOnPool = 64;

    /// <summary>What to count from where a thread is only borrowed: its turn is over after one batch.</summary>
    public const int Borrowed = BatchesOnPool - 1;

    /// <summary>True when the loop has gone on for long enough; <paramref name="batches"/> counts and begins again.</summary>
    public static bool IsOver(ref int batches)
    {
        if (++batches < BatchesOnPool && Thread.CurrentThread.IsThreadPoolThread)
            return false;
        batches = 0;
        return true;
    }

    /// <summary>To be awaited when a turn is over: lets others have the thread.</summary>
    public static Next NextAsync() => default;

    /// <summary>Waits for the next turn.</summary>
    public readonly struct Next : ICriticalNotifyCompletion
    {
        public bool IsCompleted => false;

        public Next GetAwaiter() => this;

        public void GetResult()
        {
        }

        public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

        public void UnsafeOnCompleted(Action continuation)
        {
            if (!SocketPoller.TryRunLater(continuation))
                ThreadPool.UnsafeQueueUserWorkItem(PoolTurn.Of(continuation), preferLocal: false);
        }
    }

    /// <summary>A turn on the pool. A few are kept for reuse: a busy loop takes one for each batch.</summary>
    private sealed class PoolTurn : IThreadPoolWorkItem
    {
        private static readonly PoolTurn?[] Spare = new PoolTurn?[4];

        private Action? _loop;

        public static PoolTurn Of(Action loop)
        {
            PoolTurn? turn = null;
            for (int i = 0; i < Spare.Length && turn is null; i++)
                turn = Interlocked.Exchange(ref Spare[i], null);
            turn ??= new PoolTurn();
            turn._loop = loop;
            return turn;
        }

        public void Execute()
        {
            var loop = _loop!;
            _loop = null;
            for (int i = 0; i < Spare.Length; i++)
            {
                if (Interlocked.CompareExchange(ref Spare[i], this, null) is null)
                    break;
            }
            loop();
        }
    }
}
