using Adit.Server.Pam;
using Adit.Server.Processes;
using Adit.Ssh;

namespace Adit.Server.Tests.Support;

/// <summary>Plays PAM: for each order a script says what is reported. An answer to a prompt goes on with the script of the order it belongs to.</summary>
internal sealed class FakePamHelper : IPamHelper
{
    private readonly Queue<PamReport> _reports = [];

    /// <summary>What was ordered, in order.</summary>
    public List<PamOrder> Orders { get; } = [];

    /// <summary>Reports for an order; by default success.</summary>
    public Func<PamOrder, IEnumerable<PamReport>> Script { get; set; } = _ => [];

    /// <summary>The user that PAM speaks of; null for the one it was begun with.</summary>
    public string? OtherUser { get; set; }

    public int Disposals { get; private set; }

    private string User => OtherUser ?? Orders.First(order => order.Kind == PamOrderKind.Begin).Texts[1];

    public PamResult Result(int code) => new(code, code == 0 ? "Success" : "Failure", "pam_function", User);

    public void Send(PamOrder order)
    {
        Orders.Add(order);
        PamReport[] reports = [.. Script(PamOrder.Read(order.ToArray()))];
        foreach (var report in reports.Length == 0 ? [Result(PamCalls.Success)] : reports)
        {
            _reports.Enqueue(PamReport.Read(report.ToArray()));
        }
    }

    public ValueTask<PamReport> ReceiveAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return _reports.TryDequeue(out var report) ? ValueTask.FromResult(report) : throw new SshException(SshError.AuthenticationFailed, "the helper has ended");
    }

    /// <summary>Starts nothing.</summary>
    public IProgramParent BecomeParent(IReadOnlyList<uint>? groups) =>
        new PamPrograms((_, _) => throw new SshException(SshError.ResourceLimit, "nothing is started here"), groups);

    public ValueTask DisposeAsync()
    {
        Disposals++;
        return ValueTask.CompletedTask;
    }
}
