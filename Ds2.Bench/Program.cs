Console.WriteLine("ds2 bench");
