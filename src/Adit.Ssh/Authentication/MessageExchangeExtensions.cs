using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Authentication;

/// <summary>Sends typed messages over an <see cref="IMessageExchange"/>.</summary>
internal static class MessageExchangeExtensions
{
    public static void Send<T>(this IMessageExchange exchange, T message)
        where T : ISshMessage<T>
    {
        var writer = new SshWriter(256);
        message.Write(ref writer);
        exchange.Send(writer.Written);
    }

    /// <summary>Sends a password request; no copy of the password stays behind here.</summary>
    public static void SendPassword(this IMessageExchange exchange, AuthRequestHeader header, AuthPasswordFields fields)
    {
        int length = 1 + Size(header.UserName) + Size(header.Service) + Size(header.Method)
            + 1 + Size(fields.Password) + (fields.NewPassword is null ? 0 : Size(fields.NewPassword));
        byte[] buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            var writer = new SshWriter(buffer);
            header.Write(ref writer);
            fields.Write(ref writer);
            exchange.Send(writer.Written);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(buffer.AsSpan(0, length));
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Sends answers to prompts; no copy of them stays behind here.</summary>
    public static void SendAnswers(this IMessageExchange exchange, AuthInfoResponseMessage message)
    {
        int length = 1 + 4 + message.Answers.Sum(Size);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            var writer = new SshWriter(buffer);
            message.Write(ref writer);
            exchange.Send(writer.Written);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(buffer.AsSpan(0, length));
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static int Size(string text) => 4 + Encoding.UTF8.GetByteCount(text);
}
