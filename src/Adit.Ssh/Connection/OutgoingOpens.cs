using System.Globalization;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Connection;

/// <summary>The channels that we ask the peer to open, from the question to its answer (RFC 4254, section 5.1).</summary>
/// <param name="connection">Whose.</param>
/// <param name="channels">Its channels; those that were asked for are among them from the start.</param>
internal sealed class OutgoingOpens(SshConnection connection, ChannelTable channels)
{
    /// <summary>Asks for a channel. Source, meaning and errors as in <see cref="SshConnection.OpenAsync"/>.</summary>
    public async Task<SshChannel> OpenAsync(
        string type, ReadOnlyMemory<byte> data, IChannelSink sink, bool mayInline, ChannelSize? size, CancellationToken cancellationToken)
    {
        var opened = new TaskCompletionSource<SshChannel>(mayInline ? TaskCreationOptions.None : TaskCreationOptions.RunContinuationsAsynchronously);
        var channel = connection.AddChannel(type, data, sink, opened, size?.Window ?? SshConnection.UsualWindow)
            ?? throw connection.Transport.Reason ?? new SshException(SshError.ResourceLimit, $"{channels.Limit} channels are open already");
        Send(channel, type, data.Span, size?.MaximumPacket ?? connection.MaximumPacket);
        using var registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((TaskCompletionSource<SshChannel>)state!).TrySetCanceled(token), opened);
        return await opened.Task.ConfigureAwait(false);
    }

    /// <summary>The peer opened it.</summary>
    public void OnConfirmation(ReadOnlyMemory<byte> payload)
    {
        var reader = new SshReader(payload.Span[1..]);
        var message = ChannelOpenConfirmationMessage.Read(ref reader);
        var channel = Pending(message.Recipient, MessageId.ChannelOpenConfirmation, out var pending);
        channel.Open(message.SenderChannel, message.InitialWindow, message.MaximumPacket);
        channel.PendingOpen = null;
        channel.Sink.OnOpened(channel);
        channel.IsOpen = true;
        if (!pending.TrySetResult(channel))
            channel.Close(); // whoever asked for it has gone
    }

    /// <summary>The peer refused.</summary>
    public void OnFailure(ReadOnlyMemory<byte> payload)
    {
        var reader = new SshReader(payload.Span[1..]);
        var message = ChannelOpenFailureMessage.Read(ref reader);
        var channel = Pending(message.Recipient, MessageId.ChannelOpenFailure, out var pending);
        channel.PendingOpen = null;
        connection.Remove(channel);
        string description = PeerText.Escape(message.Description, 1024);
        pending.TrySetException(new SshException(SshError.ChannelOpenFailed,
            $"channel {channel.LocalId}: open failed: {Describe(message.Reason)}{(description.Length > 0 ? ": " : "")}{description}")
        {
            OpenFailureReason = (OpenFailureReason)message.Reason,
            Hint = channel.OpenRemark,
        });
    }

    /// <summary>"channel N: why", ahead of the refusal of that channel. False where it is something else.</summary>
    /// <param name="text">Escaped.</param>
    public bool OnRemark(string text)
    {
        const string prefix = IncomingChannel.RemarkPrefix;
        int colon = text.IndexOf(": ", StringComparison.Ordinal);
        if (colon < 0 || !text.StartsWith(prefix, StringComparison.Ordinal)
            || !uint.TryParse(text.AsSpan(prefix.Length, colon - prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
            || channels.Find(number) is not { PendingOpen: not null } channel)
        {
            return false;
        }
        channel.OpenRemark = text[(colon + 2)..];
        return true;
    }

    private void Send(SshChannel channel, string type, ReadOnlySpan<byte> data, int maximumPacket)
    {
        var writer = new SshWriter(128 + data.Length);
        new ChannelOpenMessage
        {
            ChannelType = type,
            SenderChannel = channel.LocalId,
            InitialWindow = channel.InitialWindow,
            MaximumPacket = (uint)maximumPacket,
            TypeData = data,
        }.Write(ref writer);
        connection.Transport.Send(writer.Written);
    }

    private SshChannel Pending(uint number, MessageId id, out TaskCompletionSource<SshChannel> pending)
    {
        var channel = channels.Find(number);
        pending = channel?.PendingOpen ?? throw SshException.Protocol($"{(int)id} packet referred to channel {number}, which is not being opened");
        return channel;
    }

    private static string Describe(uint reason) => (OpenFailureReason)reason switch
    {
        OpenFailureReason.AdministrativelyProhibited => "administratively prohibited",
        OpenFailureReason.ConnectFailed => "connect failed",
        OpenFailureReason.UnknownChannelType => "unknown channel type",
        OpenFailureReason.ResourceShortage => "resource shortage",
        _ => "unknown reason",
    };
}
