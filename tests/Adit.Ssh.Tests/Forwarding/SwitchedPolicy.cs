using Adit.Ssh.Forwarding;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>A policy whose mind the test changes.</summary>
internal sealed class SwitchedPolicy : IForwardingPolicy
{
    public Func<ForwardingRequest, ValueTask<ForwardingDecision>> Decide { get; set; } = _ => new(ForwardingDecision.Allow);

    public bool NeverBlocks { get; init; }

    public void Deny(string rule) => Decide = _ => new(ForwardingDecision.Deny(rule));

    public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken) => Decide(request);
}
