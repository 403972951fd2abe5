Console.WriteLine("ds2");
