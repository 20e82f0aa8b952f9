namespace Adit.Ssh.OpenSsh;

/// <summary>StrictHostKeyChecking: what happens with a host key that is not known yet. A changed key is refused by all of them but <see cref="No"/>.</summary>
public enum HostKeyPolicy
{
    /// <summary>ask: a person decides; a key that was accepted is added to the user's file.</summary>
    Ask,
    /// <summary>yes: refused. Nothing is ever added.</summary>
    Yes,
    /// <summary>accept-new: added and accepted.</summary>
    AcceptNew,
    /// <summary>no: added and accepted, and even a changed key only turns off what somebody in the middle could abuse. Not safe.</summary>
    No,
}
