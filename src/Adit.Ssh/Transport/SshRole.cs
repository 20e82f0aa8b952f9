namespace Adit.Ssh.Transport;

/// <summary>Which end of an SSH connection this is.</summary>
public enum SshRole
{
    Client,
    Server,
}
