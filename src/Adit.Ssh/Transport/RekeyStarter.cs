namespace Adit.Ssh.Transport;

/// <summary>Starts a key exchange when the policy says that one is due. Whoever sends, receives or looks at the clock asks it to have a look.</summary>
/// <param name="isBare">There are no keys to renew.</param>
internal sealed class RekeyStarter(RekeyPolicy policy, KexSession kex, TransportLifetime lifetime, bool isBare) : IHeartbeatHandler
{
    private int _asked;

    /// <summary>Starts one if one is due.</summary>
    public void StartIfDue()
    {
        if (policy.ShouldRekey())
            Ask();
    }

    /// <summary>New keys are wanted, whatever the limits say.</summary>
    public void Request()
    {
        policy.Ask();
        Ask();
    }

    void IHeartbeatHandler.OnHeartbeat() => StartIfDue();

    /// <summary>New keys are due. Whoever notices may hold the session's lock or be the sender, so the session is started from the pool.</summary>
    private void Ask()
    {
        if (isBare || kex.InProgress || Interlocked.Exchange(ref _asked, 1) != 0)
            return;
        ThreadPool.UnsafeQueueUserWorkItem(static starter => starter.Start(), this, preferLocal: false);
    }

    private void Start()
    {
        Volatile.Write(ref _asked, 0);
        if (lifetime.Reason is null && policy.ShouldRekey())
            kex.Start();
    }
}
