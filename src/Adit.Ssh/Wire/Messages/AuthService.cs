namespace Adit.Ssh.Wire.Messages;

/// <summary>Asks for a service (RFC 4253, section 10).</summary>
// byte      SSH_MSG_SERVICE_REQUEST (5)
// string    service name
internal sealed record ServiceRequestMessage(string Service) : ISshMessage<ServiceRequestMessage>
{
    public static MessageId Id => MessageId.ServiceRequest;

    public static ServiceRequestMessage Read(ref SshReader reader)
    {
        var message = new ServiceRequestMessage(reader.ReadName());
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteString(Service);
    }
}

/// <summary>Grants a service (RFC 4253, section 10).</summary>
// byte      SSH_MSG_SERVICE_ACCEPT (6)
// string    service name
internal sealed record ServiceAcceptMessage(string Service) : ISshMessage<ServiceAcceptMessage>
{
    public static MessageId Id => MessageId.ServiceAccept;

    public static ServiceAcceptMessage Read(ref SshReader reader)
    {
        // Some old servers leave the name out: the answer can only mean what was asked for.
        var message = new ServiceAcceptMessage(reader.AtEnd ? "" : reader.ReadName());
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteString(Service);
    }
}
